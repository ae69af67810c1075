"""First-party plugin: VGG16 and VGG19, the loss networks of both papers."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)

# What stylezoo.testing checks them with: random weights, which need no fetching.
STYLEZOO_CHECKS = {
    "backbone:vgg16": {"options": {"weights": "random"}},
    "backbone:vgg19": {"options": {"weights": "random", "pooling": "average"}},
}


@hookimpl
def register_backbones(register: Register) -> None:
    """Register ``vgg16`` and ``vgg19``."""
    register(
        "vgg16",
        "stylezoo_vgg.vgg:vgg16",
        summary="VGG16 (Simonyan & Zisserman 2014), the loss network of Johnson et al. 2016",
    )
    register(
        "vgg19",
        "stylezoo_vgg.vgg:vgg19",
        summary="VGG19 (Simonyan & Zisserman 2014), the network of Gatys et al. 2015",
    )
