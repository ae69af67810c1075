"""First-party plugin: PyTorch as a runtime, in two precisions."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_runtimes(register: Register) -> None:
    """Register ``torch``, the reference, and ``torch-bf16``."""
    register("torch", "stylezoo_torch.runtime:TorchRuntime", summary="PyTorch, float32")
    register(
        "torch-bf16", "stylezoo_torch.runtime:TorchBFloat16Runtime", summary="PyTorch, bfloat16"
    )
