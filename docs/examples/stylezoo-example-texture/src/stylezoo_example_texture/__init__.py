"""A plugin of stylezoo for textures: the backbone ``gabor`` and the loss ``shifted-gram``."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_backbones(register: Register) -> None:
    """Register ``gabor``."""
    register(
        "gabor",
        "stylezoo_example_texture.backbone:GaborBackbone",
        summary="Gabor filters at four scales, without weights to fetch",
    )


@hookimpl
def register_losses(register: Register) -> None:
    """Register ``shifted-gram``."""
    register(
        "shifted-gram",
        "stylezoo_example_texture.loss:ShiftedGramLoss",
        summary="Style: Gram matrices of shifted features (Berger & Memisevic 2017)",
    )
