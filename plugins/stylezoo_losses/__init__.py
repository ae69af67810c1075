"""First-party plugin: the losses of Gatys et al. 2015 and Johnson et al. 2016."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_losses(register: Register) -> None:
    """Register ``content``, ``gram``, ``total-variation`` and ``range``."""
    register(
        "content",
        "stylezoo_losses.content:ContentLoss",
        summary="Feature reconstruction (Gatys et al. 2015, Johnson et al. 2016)",
    )
    register(
        "gram",
        "stylezoo_losses.gram:GramLoss",
        summary="Style reconstruction by Gram matrices (Gatys et al. 2015, Johnson et al. 2016)",
    )
    register(
        "total-variation",
        "stylezoo_losses.pixels:TotalVariationLoss",
        summary="Smoothness of neighbouring pixels (Johnson et al. 2016)",
    )
    register(
        "range",
        "stylezoo_losses.pixels:RangeLoss",
        summary="Penalty for values outside [0, 1]",
    )
