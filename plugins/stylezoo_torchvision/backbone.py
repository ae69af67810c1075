"""Any torchvision classification model as a backbone, with its own weights and preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, fx, nn

from stylezoo import Backbone
from stylezoo.errors import MissingDependencyError, OptionError, WeightsError
from stylezoo_torchvision.graph import feature_graph, layer_nodes, pruned

LISTED_LAYERS = 40
"""How many layers an error message names: some models have hundreds."""


def torchvision_backbone(
    *, variant: str, weights: str = "default", seed: int = 0
) -> TorchvisionBackbone:
    """Make a backbone from one of torchvision's classification models.

    Args:
        variant: the model's name in torchvision, such as ``"resnet18"``.
        weights: ``"default"`` (the best that torchvision has for the model), the name of one of
            its sets of weights (``"IMAGENET1K_V1"``), or ``"random"``.
        seed: of random weights.

    Raises:
        OptionError: an unknown model or choice of weights, or a model without feature maps.
        MissingDependencyError: torchvision is not installed.
        WeightsError: the weights cannot be fetched.
    """
    models = _torchvision_models()
    known = models.list_models(module=models)  # without detection, segmentation and video
    if variant not in known:
        raise OptionError(
            f"torchvision has no classification model {variant!r}"
            f"{_did_you_mean(variant, known)}; it has: {', '.join(known)}"
        )
    all_weights = models.get_model_weights(variant)
    chosen = None if weights == "random" else _choose(all_weights, weights, variant)
    net = _make_net(models, variant, chosen, seed)
    # Random weights get the preprocessing of the model's default weights.
    transforms = (chosen or all_weights.DEFAULT).transforms()
    return TorchvisionBackbone(variant, net, transforms.mean, transforms.std)


class TorchvisionBackbone(Backbone):
    """A classification model as a feature extractor; build it with ``torchvision_backbone``.

    Layers have the names given by torchvision's feature extraction: the path of a module
    (``layer2.0.conv1``), or the path of the module that calls a function, and its name
    (``layer2.0.add``). Repeated calls are numbered: ``relu``, ``relu_1``. The name of an outer
    module (``layer2.0``, ``layer2``) is that of the last output within it.

    A layer is an output of shape (B, C, h, w) that exists for images of any size. Outputs of
    another layout (the blocks of a Swin transformer) and those tied to one image size (a vision
    transformer's) are left out.

    Args:
        name: the model's name, for messages.
        net: the model.
        mean: of RGB in [0, 1], in the normalisation that its weights expect.
        deviation: likewise.

    Raises:
        OptionError: the model has no such layers.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, name: str, net: nn.Module, mean: Sequence[float], deviation: Sequence[float]
    ) -> None:
        super().__init__()
        self.name = name
        self.net = feature_graph(net)
        if not self.layers:
            raise OptionError(
                f"{name} has no convolutional feature maps that exist for images of any size; "
                f"choose a convolutional model, such as resnet18"
            )
        # They are not weights, but move with them.
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(3, 1, 1), persistent=False)
        self._graphs: dict[tuple[str, ...], fx.Graph] = {}
        self.eval().requires_grad_(False)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers' names in the order they are computed, inner modules before outer ones."""
        return tuple(layer_nodes(self.net.graph))

    def train(self, mode: bool = True) -> TorchvisionBackbone:
        """Stay in evaluation mode: training would change the statistics of batch norms."""
        return super().train(False)

    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Compute features, in the dtype of the weights; see ``Backbone.forward``."""
        x = (images - self.mean) / self.deviation
        x = x.to(next(self.net.parameters()).dtype)
        # Interpreted: compiled code of each graph would hold buffers that .to() does not move.
        features: dict[str, Tensor] = fx.Interpreter(
            self.net, graph=self._graph(tuple(dict.fromkeys(layers)))
        ).run(x)
        return features

    def _graph(self, layers: tuple[str, ...]) -> fx.Graph:
        """The part of the graph that the layers need, cached."""
        if layers not in self._graphs:
            known = self.layers
            for layer in layers:
                if layer not in known:
                    raise OptionError(_no_layer(self.name, layer, known))
            self._graphs[layers] = pruned(self.net.graph, layers)
        return self._graphs[layers]


def _torchvision_models() -> Any:
    try:
        import torchvision
    except ImportError as error:
        raise MissingDependencyError(
            "the backbones torchvision:NAME need the package 'torchvision', which cannot be "
            f'imported ({error}); run: pip install "stylezoo[torchvision]"'
        ) from error
    return torchvision.models


def _choose(all_weights: Any, weights: str, variant: str) -> Any:
    if weights == "default":
        return all_weights.DEFAULT
    if weights in all_weights.__members__:
        return all_weights[weights]
    choices = ", ".join(["default", *(each.name for each in all_weights), "random"])
    raise OptionError(f"{variant} has no weights {weights!r}; choose one of: {choices}")


def _make_net(models: Any, variant: str, weights: Any, seed: int) -> nn.Module:
    # Models draw weights from the global generator, even if they are then overwritten.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if weights is None:
            net: nn.Module = models.get_model(variant, weights=None)
            return net
        try:
            # torchvision checks the file against the hash in its name.
            net = models.get_model(variant, weights=weights, progress=False)
        except Exception as error:  # the client raises what its HTTP library does
            raise WeightsError(
                f"the weights {weights.name} of {variant} could not be fetched "
                f"({type(error).__name__}: {error}); connect to the internet and try again, or "
                f"put the file from {weights.url} into {torch.hub.get_dir()}/checkpoints"
            ) from error
        return net


def _no_layer(name: str, layer: str, known: Sequence[str]) -> str:
    """The error message, with the nearest names first, and no more of them than can be read."""
    near = get_close_matches(layer, known, n=5)
    listed = list(dict.fromkeys([*near, *known]))
    more = len(listed) - LISTED_LAYERS
    return (
        f"{name} has no layer {layer!r}{_did_you_mean(layer, known)}; it has: "
        + ", ".join(listed[:LISTED_LAYERS])
        + (f" and {more} more" if more > 0 else "")
    )


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
