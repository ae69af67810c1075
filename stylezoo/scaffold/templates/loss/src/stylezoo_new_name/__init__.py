"""A stylezoo plugin: the loss ``new-name``."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_losses(register: Register) -> None:
    """Register the loss by import path: torch is imported when it is first used, not here."""
    register(
        "new-name",
        "stylezoo_new_name.loss:NewNameLoss",
        summary="Style: means of channels",
    )
