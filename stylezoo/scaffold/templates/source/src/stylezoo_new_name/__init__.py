"""A stylezoo plugin: the source ``new-name``."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_sources(register: Register) -> None:
    """Register the source by import path: it is imported when styles are looked up, not here."""
    register(
        "new-name",
        "stylezoo_new_name.source:NewNameSource",
        summary="The styles of a zip archive",
    )
