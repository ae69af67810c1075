"""``TransformerNet`` of the PyTorch examples as an ONNX graph.

Exporters name weights as they like, so the graph is read by its structure: from the output back to
the input, along the path of the picture. What does not have the layers of that net, in their order
and with their options, is refused: it would be another net's output.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stylezoo import ImportedNet, Importer
from stylezoo.errors import MissingDependencyError, WeightsError
from stylezoo_importers.transformer_net import Layer, imported_net

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

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
EPSILON = 1e-5  # of the norm that johnson takes


class GraphImporter(Importer):
    """Reads ``.onnx`` files; tensors must be in the file itself."""

    def recognises(self, path: Path) -> bool:
        """Whether it is called ``.onnx``: the format has no mark of its own."""
        return path.suffix.lower() == ".onnx"

    def convert(self, path: Path) -> ImportedNet:
        """Convert; see ``Importer.convert``.

        Raises:
            MissingDependencyError: onnx is not installed.
            WeightsError: it is broken, or another net.
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
        for number, node in enumerate(convolutions):
            graph.expect(node, "strides", [2, 2] if number in (1, 2) else [1, 1], [1, 1])
            graph.expect(node, "pads", [0, 0, 0, 0], [0, 0, 0, 0])
            graph.expect(node, "dilations", [1, 1], [1, 1])
            graph.expect(node, "group", 1, 1)
        for node in norms:
            graph.expect(node, "epsilon", EPSILON, EPSILON)
        for node in nodes:
            if node.op_type == "Pad":
                graph.expect(node, "mode", "reflect", "constant")
            if node.op_type in ("Resize", "Upsample"):
                graph.expect(node, "mode", "nearest", "nearest")
        return imported_net(
            [graph.layer(node) for node in convolutions],
            [graph.layer(node) for node in norms],
            format="fast_neural_style of the PyTorch examples, in ONNX",
        )


class _Graph:
    """The nodes of a model by what they make, and its constants."""

    def __init__(self, path: Path, model: ModelProto) -> None:
        self.path = path
        self.graph = model.graph
        self.makers = {name: node for node in model.graph.node for name in node.output}
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = node.attribute[0].t

    def refuse(self, reason: str) -> WeightsError:
        """The error to raise."""
        return WeightsError(f"{self.path} cannot be imported: {reason}")

    def picture_path(self) -> list[NodeProto]:
        """The nodes that the picture runs through, first to last."""
        inputs = [value.name for value in self.graph.input if value.name not in self.constants]
        if len(inputs) != 1 or len(self.graph.output) != 1:
            raise self.refuse("it has not one picture for input and one for output")
        name = self.graph.output[0].name
        path: list[NodeProto] = []
        skips: dict[
            str, int
        ] = {}  # where residual blocks must begin, and how long the path is then
        while name != inputs[0]:
            if skips.pop(name, len(path)) != len(path):
                raise self.refuse("a residual block adds another layer than it began with")
            node = self.makers.pop(name, None)  # once: a picture never comes back
            if node is None:
                raise self.refuse(f"the picture does not get from its input to {name!r}")
            if node.op_type in ("Identity", "Dropout"):
                name = node.input[0]
                continue
            if node.op_type not in KINDS:
                raise self.refuse(
                    f"the picture runs through {node.op_type} ({node.name or name}), which is no "
                    "layer of fast neural style"
                )
            path.append(node)
            name = self._branch(node, len(path), skips) if node.op_type == "Add" else node.input[0]
        if skips:
            raise self.refuse("a residual block does not add what it began with")
        return path[::-1]

    def _branch(self, node: NodeProto, length: int, skips: dict[str, int]) -> str:
        """Of what a residual block adds up, that which ran through its layers."""
        for branch, skip in (node.input[:2], node.input[1::-1]):
            maker = self.makers.get(branch)
            if maker is not None and maker.op_type == "InstanceNormalization":
                skips[skip] = length + BLOCK
                return branch
        raise self.refuse(f"the sum {node.name or node.output[0]} ends no residual block")

    def expect(self, node: NodeProto, name: str, wanted: Any, default: Any) -> None:
        """Refuse a node whose attribute is another than that of the net."""
        from onnx.helper import get_attribute_value

        found = [a for a in node.attribute if a.name == name]
        value = get_attribute_value(found[0]) if found else default
        value = value.decode() if isinstance(value, bytes) else value
        same = abs(value - wanted) < 1e-7 if isinstance(wanted, float) else value == wanted
        if not same:
            raise self.refuse(
                f"{node.op_type} {node.name or node.output[0]} has {name} {value}, not {wanted}"
            )

    def layer(self, node: NodeProto) -> Layer:
        """Weight and bias of a convolution or norm."""
        if len(node.input) != 3:
            raise self.refuse(f"{node.op_type} {node.name or node.output[0]} has no bias")
        return Layer(*(self._tensor(name) for name in node.input[1:]))

    def _tensor(self, name: str) -> Tensor:
        from onnx import TensorProto, numpy_helper

        tensor = self.constants.get(name)
        if tensor is None:
            raise self.refuse(f"the weight {name!r} is not in it")
        # Such a tensor names a file to read, which could be any.
        if tensor.data_location == TensorProto.EXTERNAL:
            raise self.refuse(f"the weight {name!r} lies in another file; save it in one")
        try:
            return torch.from_numpy(numpy_helper.to_array(tensor).copy())
        except (ValueError, TypeError) as error:
            raise self.refuse(f"the weight {name!r} is broken: {error}") from error


def _read(path: Path) -> ModelProto:
    load = _onnx_load()
    try:
        return load(path)
    except Exception as error:  # protobuf raises errors of its own, by platform
        raise WeightsError(f"{path} is no ONNX model: {error}") from error


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
