"""First-party plugin: the normalisation layers of Johnson et al. 2016 and Ulyanov et al. 2016."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_norms(register: Register) -> None:
    """Register ``batch`` and ``instance``."""
    register("batch", "stylezoo_norms.norms:batch_norm", summary="Batch norm (Johnson et al. 2016)")
    register(
        "instance",
        "stylezoo_norms.norms:instance_norm",
        summary="Instance norm (Ulyanov et al. 2016)",
    )
