"""First-party plugin: torchvision's classification models as backbones."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)

# What stylezoo.testing checks it with: one variant, without fetching weights.
STYLEZOO_CHECKS = {
    "backbone:torchvision": {"options": {"variant": "resnet18", "weights": "random"}},
}


@hookimpl
def register_backbones(register: Register) -> None:
    """Register the family ``torchvision``, whose variants are model names."""
    register(
        "torchvision",
        "stylezoo_torchvision.backbone:torchvision_backbone",
        summary="A classification model of torchvision by name: torchvision:resnet18, ...",
    )
