"""``TransformerNet`` of the PyTorch examples as an ONNX graph.

Exporters name weights as they like, so the graph is read by its structure: from the output back to
the input, along the path of the picture. A graph without exactly that net's layers, in their order
and with their options, is refused: its output would be another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from stylezoo import ImportedNet, Importer
from stylezoo.errors import MissingDependencyError, WeightsError
from stylezoo_importers.transformer_net import Layer, imported_net
from stylezoo_importers.values import value_of

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

# One letter for each kind of node on the path of the picture.
KINDS = {
    "Conv": "C",
    "InstanceNormalization": "N",
    "Relu": "R",
    "Pad": "P",
    "Resize": "U",
    "Upsample": "U",
    "Add": "A",
}
STRUCTURE = re.compile(r"(PCNR){3}(PCNRPCNA)*(UPCNR){2}PC")
BLOCK = 7  # nodes of a residual block before its sum
EPSILON = 1e-5  # of the norm that johnson uses
# The coordinate transformations and roundings of a doubling Resize that repeat each pixel.
REPEATING = [
    ("asymmetric", "floor"),
    ("asymmetric", "round_prefer_floor"),
    *product(
        ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel"),
        ("round_prefer_floor", "round_prefer_ceil"),
    ),
]
ANY_SIDE = 64  # of a picture, if the graph takes any size


class GraphImporter(Importer):
    """Reads ``.onnx`` files; all tensors must be in the file itself."""

    def recognises(self, path: Path) -> bool:
        """Whether the suffix is ``.onnx``: the format has no magic number."""
        return path.suffix.lower() == ".onnx"

    def convert(self, path: Path) -> ImportedNet:
        """Convert; see ``Importer.convert``.

        Raises:
            MissingDependencyError: onnx is not installed.
            WeightsError: the file is broken, or holds another net.
        """
        graph = _Graph(path, _read(path))
        nodes = graph.picture_path()
        letters = "".join(KINDS[node.op_type] for node in nodes)
        if not STRUCTURE.fullmatch(letters):
            raise graph.refuse(
                "its layers are not those of fast neural style, in that order: "
                + ", ".join(node.op_type for node in nodes[:40])
            )
        convolutions = [node for node in nodes if node.op_type == "Conv"]
        norms = [node for node in nodes if node.op_type == "InstanceNormalization"]
        for node in norms:
            graph.expect(node, "epsilon", EPSILON, EPSILON)
        _check_sizes(graph, nodes)
        return imported_net(
            [graph.layer(node) for node in convolutions],
            [graph.layer(node) for node in norms],
            format="fast_neural_style of the PyTorch examples, in ONNX",
        )


def _check_sizes(graph: _Graph, nodes: list[NodeProto]) -> None:
    """Follow the picture's size, and refuse layers that change it in another way than the net."""
    (shape,) = graph.shapes.values()  # of the input
    convolutions = 0
    for node, following in zip(nodes, [*nodes[1:], None], strict=True):
        if node.op_type == "Conv":
            stride = 2 if convolutions in (1, 2) else 1
            convolutions += 1
            channels, _, *kernel = graph.kernel(node)
            _check_convolution(graph, node, stride)
            sides = [(n - k) // stride + 1 for n, k in zip(shape[2:], kernel, strict=True)]
            shape = [1, channels, *sides]
        elif node.op_type == "Pad":
            assert following is not None  # a convolution
            margins = [side // 2 for side in graph.kernel(following)[2:]]
            _check_pad(graph, node, [0, 0, *margins] * 2)
            shape = [*shape[:2], *(n + 2 * m for n, m in zip(shape[2:], margins, strict=True))]
        elif node.op_type in ("Resize", "Upsample"):
            _check_doubling(graph, node, shape)
            shape = [*shape[:2], *(2 * side for side in shape[2:])]
        graph.shapes[node.output[0]] = shape


def _check_convolution(graph: _Graph, node: NodeProto, stride: int) -> None:
    graph.expect(node, "strides", [stride, stride], [1, 1])
    graph.expect(node, "pads", [0, 0, 0, 0], [0, 0, 0, 0])
    graph.expect(node, "auto_pad", "NOTSET", "NOTSET")
    graph.expect(node, "dilations", [1, 1], [1, 1])
    graph.expect(node, "group", 1, 1)


def _check_pad(graph: _Graph, node: NodeProto, pads: list[int]) -> None:
    graph.expect(node, "mode", "reflect", "constant")
    found = graph.argument(node, "pads", 1)
    if found != pads or graph.argument(node, "axes", 3) is not None:
        raise graph.refuse(f"{graph.label(node)} pads by {found}, not by {pads}")


def _check_doubling(graph: _Graph, node: NodeProto, shape: list[int]) -> None:
    """Check that a node repeats each pixel twice in both directions.

    Args:
        graph: the graph of the node.
        node: the node to check.
        shape: (1, C, h, w) of its input.
    """
    graph.expect(node, "mode", "nearest", "nearest")
    graph.expect(node, "axes", None, None)
    has_sizes = len(node.input) > 3 and node.input[3]
    what, where = ("sizes", 3) if has_sizes else ("scales", 2 if len(node.input) > 2 else 1)
    found = graph.argument(node, what, where)
    wanted = [*shape[:2], *(2 * side for side in shape[2:])] if has_sizes else [1, 1, 2, 2]
    if found != wanted:
        raise graph.refuse(f"{graph.label(node)} has {what} {found}, not {wanted}")
    if len(node.input) > 2:  # since opset 11; there was no choice before
        source = graph.attribute(node, "coordinate_transformation_mode", "half_pixel")
        rounding = graph.attribute(node, "nearest_mode", "round_prefer_floor")
        if (source, rounding) not in REPEATING:
            raise graph.refuse(
                f"{graph.label(node)} has coordinate_transformation_mode {source} and "
                f"nearest_mode {rounding}, which do not repeat each pixel"
            )


class _Graph:
    """The nodes of a model, by their outputs.

    Attributes:
        shapes: (1, C, H, W) of the picture along its path, by name; at first only of the input.
    """

    def __init__(self, path: Path, model: ModelProto) -> None:
        self.path = path
        self.model = model
        self.graph = model.graph
        self.makers = {name: node for node in model.graph.node for name in node.output}
        constants = {tensor.name for tensor in model.graph.initializer}
        self.inputs = [value for value in model.graph.input if value.name not in constants]
        self.shapes = {value.name: _shape(value) for value in self.inputs}

    def refuse(self, reason: str) -> WeightsError:
        """Make the error to raise."""
        return WeightsError(f"{self.path} cannot be imported: {reason}")

    def picture_path(self) -> list[NodeProto]:
        """The nodes that the picture runs through, first to last."""
        inputs = [value.name for value in self.inputs]
        if len(inputs) != 1 or len(self.graph.output) != 1:
            raise self.refuse(
                "it must have one picture as input and one as output, but it has "
                f"{len(inputs)} inputs and {len(self.graph.output)} outputs"
            )
        name = self.graph.output[0].name
        path: list[NodeProto] = []
        # Where residual blocks must begin, and the path's length there.
        skips: dict[str, int] = {}
        while name != inputs[0]:
            if skips.pop(name, len(path)) != len(path):
                raise self.refuse("a residual block adds a layer other than the one it began with")
            node = self.makers.pop(name, None)  # only once: the graph has no loops
            if node is None:
                raise self.refuse(f"the picture does not reach {name!r} from the input")
            if node.op_type in ("Identity", "Dropout"):
                name = node.input[0]
                continue
            if node.op_type not in KINDS:
                raise self.refuse(
                    f"the picture runs through {node.op_type} ({node.name or name}), which is not "
                    "a layer of fast neural style"
                )
            path.append(node)
            name = self._branch(node, len(path), skips) if node.op_type == "Add" else node.input[0]
        if skips:
            raise self.refuse("a residual block does not add the layer it began with")
        return path[::-1]

    def _branch(self, node: NodeProto, length: int, skips: dict[str, int]) -> str:
        """The input of a residual block's sum that ran through its layers."""
        for branch, skip in (node.input[:2], node.input[1::-1]):
            maker = self.makers.get(branch)
            if maker is not None and maker.op_type == "InstanceNormalization":
                skips[skip] = length + BLOCK
                return branch
        raise self.refuse(f"{self.label(node)} does not end a residual block")

    def label(self, node: NodeProto) -> str:
        """A node's name in messages."""
        return f"{node.op_type} {node.name or node.output[0]}"

    def attribute(self, node: NodeProto, name: str, default: Any) -> Any:
        """An attribute of a node, or the default."""
        from onnx.helper import get_attribute_value

        found = [a for a in node.attribute if a.name == name]
        value = get_attribute_value(found[0]) if found else default
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    def argument(self, node: NodeProto, name: str, index: int) -> Any:
        """A list from a node's input, or from an attribute as in old opsets; None for neither."""
        if len(node.input) > index and node.input[index]:
            return self._value(node.input[index]).tolist()
        return self.attribute(node, name, None)

    def expect(self, node: NodeProto, name: str, wanted: Any, default: Any) -> None:
        """Refuse a node whose attribute differs from the net's."""
        value = self.attribute(node, name, default)
        same = abs(value - wanted) < 1e-7 if isinstance(wanted, float) else value == wanted
        if not same:
            raise self.refuse(f"{self.label(node)} has {name} {value}, not {wanted}")

    def kernel(self, node: NodeProto) -> tuple[int, ...]:
        """The shape of a convolution's weight: (C_out, C_in, kh, kw)."""
        shape = tuple(self.layer(node).weight.shape)
        if len(shape) != 4:
            raise self.refuse(
                f"{self.label(node)} does not take pictures: its weight has the shape {shape}"
            )
        return shape

    def layer(self, node: NodeProto) -> Layer:
        """The weight and bias of a convolution or norm."""
        if len(node.input) != 3:
            raise self.refuse(f"{self.label(node)} has no bias")
        return Layer(*(self._tensor(name) for name in node.input[1:]))

    def _tensor(self, name: str) -> Tensor:
        try:
            return torch.from_numpy(self._value(name).copy())
        except TypeError as error:
            raise self.refuse(f"the weight {name!r} is broken: {error}") from error

    def _value(self, name: str) -> np.ndarray:
        try:
            return value_of(self.model, name, self.shapes)
        except ValueError as error:
            raise self.refuse(f"the value of {name!r} cannot be computed: {error}") from error


def _shape(value: ValueInfoProto) -> list[int]:
    """The shape of a picture that a graph takes; just one of them if it takes any."""
    *_, height, width = [0, 0, *(side.dim_value for side in value.type.tensor_type.shape.dim)]
    return [1, 3, height or ANY_SIDE, width or ANY_SIDE]


def _read(path: Path) -> ModelProto:
    load = _onnx_load()
    try:
        return load(path)
    except Exception as error:  # protobuf raises its own errors, which depend on the platform
        raise WeightsError(f"{path} is not an ONNX model: {error}") from error


def _onnx_load() -> Callable[[Path], ModelProto]:
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(
            'reading ONNX needs the package onnx; run: pip install "stylezoo[onnx]"'
        ) from error

    def load(path: Path) -> ModelProto:
        model: ModelProto = onnx.load(path, load_external_data=False)
        return model

    return load
