"""A plugin of stylezoo: the net of TensorFlow's fast-style-transfer, and its weights."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_nets(register: Register) -> None:
    """Register the net by its import path: torch is imported when it is first used, not here."""
    register(
        "tensorflow-fast-style",
        "stylezoo_example_tensorflow.net:TensorFlowNet",
        summary="TensorFlow's fast-style-transfer: transposed convolutions, SAME padding, tanh",
    )


@hookimpl
def register_importers(register: Register) -> None:
    """Register the importer of its variables."""
    register(
        "tensorflow-fast-style",
        "stylezoo_example_tensorflow.importer:VariablesImporter",
        summary="fast-style-transfer of TensorFlow, its variables in .npz",
    )
