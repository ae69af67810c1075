"""First-party plugin: batch norm, and instance norm for one style or several."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_norms(register: Register) -> None:
    """Register batch norm and the kinds of instance norm."""
    register("batch", "stylezoo_norms.norms:batch_norm", summary="Batch norm (Johnson et al. 2016)")
    register(
        "instance",
        "stylezoo_norms.norms:InstanceNorm",
        summary="Instance norm (Ulyanov et al. 2016)",
    )
    register(
        "conditional-instance",
        "stylezoo_norms.conditional:ConditionalInstanceNorm",
        summary="Instance norm, a scale and shift for each style (Dumoulin et al. 2017)",
    )
    register(
        "instance-coloring",
        "stylezoo_norms.coloring:InstanceColoring",
        summary="Instance norm, then a matrix in place of the scale (Siarohin et al. 2019)",
    )
    register(
        "conditional-instance-coloring",
        "stylezoo_norms.coloring:ConditionalInstanceColoring",
        summary="The same, a matrix and shift for each style",
    )
