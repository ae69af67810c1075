"""First-party plugin: losses on content, style and pixels."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_losses(register: Register) -> None:
    """Register the losses of content, of style, and on the image alone."""
    register(
        "content",
        "stylezoo_losses.content:ContentLoss",
        summary="Content: features themselves (Gatys et al. 2015, Johnson et al. 2016)",
    )
    register(
        "laplacian",
        "stylezoo_losses.laplacian:LaplacianLoss",
        summary="Content: Laplacians of the picture (Li et al. 2017)",
    )
    register(
        "gram",
        "stylezoo_losses.gram:GramLoss",
        summary="Style: Gram matrices (Gatys et al. 2015, Johnson et al. 2016)",
    )
    register(
        "mean-std",
        "stylezoo_losses.mean_std:MeanStdLoss",
        summary="Style: channel means and deviations (Huang & Belongie 2017, Li et al. 2017)",
    )
    register(
        "sliced-wasserstein",
        "stylezoo_losses.sliced_wasserstein:SlicedWassersteinLoss",
        summary="Style: distributions along random directions (Heitz et al. 2021)",
    )
    register(
        "histogram",
        "stylezoo_losses.histogram:HistogramLoss",
        summary="Style: histograms of activations (Risser et al. 2017)",
    )
    register(
        "mrf",
        "stylezoo_losses.mrf:MRFLoss",
        summary="Style: nearest patches (Li & Wand 2016)",
    )
    register(
        "total-variation",
        "stylezoo_losses.pixels:TotalVariationLoss",
        summary="Image: differences of neighbouring pixels (Johnson et al. 2016)",
    )
    register(
        "range",
        "stylezoo_losses.pixels:RangeLoss",
        summary="Image: penalty for values outside [0, 1]",
    )
