"""First-party plugin: the image transform net of Johnson et al. 2016."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)

# What stylezoo.testing checks it with: small nets, with each kind of norm.
STYLEZOO_CHECKS = {
    "net:johnson": [
        {"arguments": {"width": 8}},
        {"arguments": {"width": 8, "norm": "batch"}},
        {"arguments": {"width": 8, "norm": "conditional-instance", "styles": 3}},
    ],
}


@hookimpl
def register_nets(register: Register) -> None:
    """Register ``johnson``."""
    register(
        "johnson",
        "stylezoo_johnson.johnson:Johnson",
        summary="Image transform net (Johnson et al. 2016), with resize-convolution",
    )
