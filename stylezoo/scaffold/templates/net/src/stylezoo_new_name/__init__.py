"""A stylezoo plugin: the transform net ``new-name``."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_nets(register: Register) -> None:
    """Register the net by import path: torch is imported when it is first used, not here."""
    register(
        "new-name",
        "stylezoo_new_name.net:NewNameNet",
        summary="A small encoder and decoder",
    )
