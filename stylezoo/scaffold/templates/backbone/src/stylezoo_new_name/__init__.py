"""A stylezoo plugin: the backbone ``new-name``."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_backbones(register: Register) -> None:
    """Register the backbone by import path: torch is imported when it is first used, not here."""
    register(
        "new-name",
        "stylezoo_new_name.backbone:NewNameBackbone",
        summary="Three convolutions with random weights",
    )
