"""First-party plugin: the classification models of torchvision as backbones."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)

# How stylezoo.testing checks it: by a variant, and without fetching weights.
STYLEZOO_CHECKS = {
    "backbone:torchvision": {"options": {"variant": "resnet18", "weights": "random"}},
}


@hookimpl
def register_backbones(register: Register) -> None:
    """Register the family ``torchvision``, whose variants are the names of models."""
    register(
        "torchvision",
        "stylezoo_torchvision.backbone:torchvision_backbone",
        summary="A classification model of torchvision by name: torchvision:resnet18, ...",
    )
