"""A plugin of stylezoo for drawings: the net ``sketch`` and styles of it."""

from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)


@hookimpl
def register_nets(register: Register) -> None:
    """Register ``sketch``."""
    register(
        "sketch",
        "stylezoo_example_sketch.net:Sketch",
        summary="Lines where a picture is darker than around (Winnemöller et al. 2012)",
    )


@hookimpl
def register_sources(register: Register) -> None:
    """Register the folder of styles."""
    register(
        "example-sketch",
        "stylezoo_example_sketch.source:styles",
        summary="The styles of stylezoo-example-sketch",
    )
