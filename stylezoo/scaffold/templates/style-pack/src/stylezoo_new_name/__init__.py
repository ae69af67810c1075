"""A stylezoo plugin: the styles in the folder ``styles``."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_sources(register: Register) -> None:
    """Register the folder as a source, which is created when styles are looked up."""
    register(
        "new-name",
        "stylezoo_new_name.source:styles",
        summary="The styles of stylezoo-new-name",
    )
