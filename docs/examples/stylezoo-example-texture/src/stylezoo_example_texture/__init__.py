"""A plugin of stylezoo for textures: a backbone, a loss, a command and a training callback."""

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


@hookimpl
def register_commands(register: Register) -> None:
    """Register ``stylezoo orientations``."""
    register(
        "orientations",
        "stylezoo_example_texture.command:orientations",
        summary="Colour a photo by the directions of its texture.",
    )


@hookimpl
def register_callbacks(register: Register) -> None:
    """Register ``diary``."""
    register(
        "diary",
        "stylezoo_example_texture.diary:Diary",
        summary="Keeps a diary of each training, beside its checkpoint",
    )
