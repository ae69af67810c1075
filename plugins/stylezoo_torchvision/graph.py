"""The graph of a model: its layers by torchvision's names, and only what they need."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import dropwhile
from typing import cast

import torch
from torch import Tensor, fx, nn

# Two image sizes that are far enough apart to differ after every stage, even at 1/32. Models for
# one size only accept the first.
SIZES = ((224, 224), (300, 331))


def feature_graph(net: nn.Module) -> fx.GraphModule:
    """Trace a model in evaluation mode and keep what its layers need, without the classifier.

    Args:
        net: the model. Its modules are shared, and made to no longer work in place.

    Returns:
        A module with a graph of all layers; ``layer_nodes`` reads their names.
    """
    traced = _trace(net.eval())
    _work_out_of_place(traced)
    nodes = _with_outer_names(layer_nodes(traced.graph))
    maps = _feature_maps(traced)
    layers = {name: node for name, node in nodes.items() if node in maps}
    return fx.GraphModule(traced, _graph_of(traced.graph, layers))


def layer_nodes(graph: fx.Graph) -> Mapping[str, fx.Node]:
    """The layers that a graph computes, shallow to deep: the entries of its output."""
    return cast("Mapping[str, fx.Node]", graph.output_node().args[0])


def pruned(graph: fx.Graph, layers: Iterable[str]) -> fx.Graph:
    """The part of a graph that the given layers need."""
    nodes = layer_nodes(graph)
    return _graph_of(graph, {layer: nodes[layer] for layer in layers})


def _graph_of(graph: fx.Graph, outputs: Mapping[str, fx.Node]) -> fx.Graph:
    part = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    part.graph_copy(graph, copies)
    part.output({name: copies[node] for name, node in outputs.items()})
    part.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
    return part


def _trace(net: nn.Module) -> fx.GraphModule:
    """Trace a graph with every node of the model as an output, by torchvision's name for it."""
    from torchvision.models.feature_extraction import (
        create_feature_extractor,
        get_graph_node_names,
    )

    in_training, in_evaluation = get_graph_node_names(net, suppress_diff_warning=True)
    traced: fx.GraphModule = create_feature_extractor(
        net,
        train_return_nodes=in_training[:1],
        eval_return_nodes=in_evaluation,
        suppress_diff_warning=True,
    )
    return traced


def _work_out_of_place(traced: fx.GraphModule) -> None:
    """Keep ReLUs from overwriting their input, which may be a requested layer."""
    for module in traced.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]
    for node in traced.graph.nodes:
        if "inplace" in node.kwargs:
            node.update_kwarg("inplace", False)


def _with_outer_names(nodes: Mapping[str, fx.Node]) -> dict[str, fx.Node]:
    """Add each outer module's name, for the last node within it.

    torchvision's extractor accepts such names too, but if two names mean the same node, it gives
    the second name to another.
    """
    last = {outer: name for name in nodes for outer in _outer_names(name)}
    named: dict[str, fx.Node] = {}
    for name, node in nodes.items():
        named[name] = node
        named |= {outer: node for outer in _outer_names(name) if last[outer] == name}
    return named


def _outer_names(name: str) -> list[str]:
    """``["a.b", "a"]`` for ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]


def _feature_maps(traced: fx.GraphModule) -> set[fx.Node]:
    """The nodes whose output is (B, C, h, w) for images of any size.

    Of four dimensions, the second is the channels if it is the same for two image sizes; in the
    layout (B, h, w, C) it would follow the height, and with windows stacked in the batch, B would
    not be the number of images.
    """
    batch = 2
    one, other = (_shapes(traced, batch, height, width) for height, width in SIZES)
    # Before the first module are only the images and, in some models, their preprocessing.
    computed = dropwhile(lambda node: node.op != "call_module", traced.graph.nodes)
    return {
        node
        for node in computed
        if node in one
        and node in other
        and len(one[node]) == 4
        and one[node][0] == other[node][0] == batch
        and one[node][1] == other[node][1]
    }


def _shapes(
    traced: fx.GraphModule, batch: int, height: int, width: int
) -> dict[fx.Node, torch.Size]:
    """The shape of each node's output, as far as the model runs on images of this size."""
    # On a copy on the meta device, which only has shapes and costs no arithmetic.
    tensors = [*traced.parameters(), *traced.buffers()]
    shadow = copy.deepcopy(traced, {id(tensor): tensor.to("meta") for tensor in tensors})
    interpreter = fx.Interpreter(shadow, garbage_collect_values=False, graph=traced.graph)
    with suppress(Exception):  # whatever a model for only one image size raises
        interpreter.run(torch.empty(batch, 3, height, width, device="meta"))
    return {
        node: value.shape for node, value in interpreter.env.items() if isinstance(value, Tensor)
    }
