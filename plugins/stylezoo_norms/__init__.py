"""First-party plugin: batch norm, instance norm and conditional instance norm."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_norms(register: Register) -> None:
    """Register ``batch``, ``instance`` and ``conditional-instance``."""
    register("batch", "stylezoo_norms.norms:batch_norm", summary="Batch norm (Johnson et al. 2016)")
    register(
        "instance",
        "stylezoo_norms.norms:instance_norm",
        summary="Instance norm (Ulyanov et al. 2016)",
    )
    register(
        "conditional-instance",
        "stylezoo_norms.conditional:ConditionalInstanceNorm",
        summary="Instance norm, a scale and shift for each style (Dumoulin et al. 2017)",
    )
