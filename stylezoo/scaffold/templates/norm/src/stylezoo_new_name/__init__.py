"""A stylezoo plugin: the norm ``new-name``."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_norms(register: Register) -> None:
    """Register the norm by import path: torch is imported when it is first used, not here."""
    register(
        "new-name",
        "stylezoo_new_name.norm:NewNameNorm",
        summary="Each channel by its root mean square",
    )
