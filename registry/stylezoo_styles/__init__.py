"""The curated styles, embedded in the wheel: a style pack like any other."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_sources(register: Register) -> None:
    """Register ``embedded``."""
    register(
        "embedded",
        "stylezoo_styles.source:embedded",
        summary="The styles that come with stylezoo",
    )
