"""First-party plugin: importers for checkpoints of other programs."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_importers(register: Register) -> None:
    """Register ``pytorch-examples`` and ``pytorch-examples-onnx``."""
    register(
        "pytorch-examples",
        "stylezoo_importers.checkpoint:CheckpointImporter",
        summary="fast_neural_style of the PyTorch examples: .pth, .model",
    )
    register(
        "pytorch-examples-onnx",
        "stylezoo_importers.graph:GraphImporter",
        summary="The same net in ONNX",
    )
