"""First-party plugin: the image transform net of Johnson et al. 2016."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_nets(register: Register) -> None:
    """Register ``johnson``."""
    register(
        "johnson",
        "stylezoo_johnson.johnson:Johnson",
        summary="Image transform net (Johnson et al. 2016), with resize-convolution",
    )
