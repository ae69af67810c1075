"""Values in an ONNX graph: constants, and what is computed from them.

Exporters leave padding amounts and scales to be computed from constants and the picture's shape,
even if they are the same for every picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

COMPUTING = frozenset(
    {
        *("Add", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Floor", "Gather"),
        *("Identity", "Mul", "Reshape", "Shape", "Size", "Slice", "Squeeze", "Sub", "Transpose"),
        "Unsqueeze",
    }
)
"""The kinds of nodes that exporters compute such values with; no others are run."""


def value_of(model: ModelProto, name: str, shapes: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Compute the value of a name in a graph, if it does not depend on the picture.

    Args:
        model: the model of the graph.
        name: in the graph.
        shapes: of values that depend on the picture: only their shapes may be used.

    Raises:
        ValueError: it depends on the picture, is broken, or is in another file.
    """
    from onnx import TensorProto, ValueInfoProto, helper
    from onnx.reference import ReferenceEvaluator

    nodes, tensors, pictures = _needed(model.graph, name, shapes)
    inputs = [helper.make_tensor_value_info(p, TensorProto.FLOAT, shapes[p]) for p in pictures]
    graph = helper.make_graph(nodes, "value", inputs, [ValueInfoProto(name=name)], tensors)
    part = helper.make_model(graph, opset_imports=model.opset_import)
    try:
        zero = np.float32(0)  # stored once, so that the pictures take no memory
        values = {picture: np.broadcast_to(zero, shapes[picture]) for picture in pictures}
        (value,) = ReferenceEvaluator(part).run(None, values)
    except Exception as error:  # a broken graph can fail in any way
        raise ValueError(str(error)) from error
    return np.asarray(value)


def _needed(
    graph: GraphProto, name: str, shapes: Mapping[str, Sequence[int]]
) -> tuple[list[NodeProto], list[TensorProto], set[str]]:
    """The nodes and constants a value is computed from, and the pictures whose shape it uses."""
    from onnx import AttributeProto as Kind

    plain = (Kind.FLOAT, Kind.FLOATS, Kind.INT, Kind.INTS, Kind.STRING, Kind.TENSOR)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    seen: set[str] = set()
    pictures: set[str] = set()
    wanted = [name]
    while wanted:
        one = wanted.pop()
        if one in seen or not one:  # an omitted optional input has no name
            continue
        seen.add(one)
        node = makers.get(one)
        if one in constants:
            _check_place(constants[one])
        elif node is None or node.op_type not in COMPUTING:
            raise ValueError("it is neither a constant nor computed from constants")
        elif node.op_type in ("Shape", "Size") and shapes.keys() >= set(node.input):
            pictures.update(node.input)
        else:
            for attribute in node.attribute:
                if attribute.type not in plain:
                    raise ValueError(f"its attribute {attribute.name} has an unsupported type")
                _check_place(attribute.t)
            wanted.extend(node.input)
    nodes = [node for node in graph.node if seen.intersection(node.output)]
    return nodes, [constants[one] for one in constants if one in seen], pictures


def _check_place(tensor: Any) -> None:
    from onnx import TensorProto

    # Such a tensor names a file to read, which could be any file.
    if tensor.data_location == TensorProto.EXTERNAL:
        raise ValueError("it is stored in another file; save the model as a single file")
