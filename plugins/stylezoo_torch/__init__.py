"""First-party plugin: the reference runtime, PyTorch itself."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_runtimes(register: Register) -> None:
    """Register ``torch``."""
    register("torch", "stylezoo_torch.runtime:TorchRuntime", summary="PyTorch, float32")
