"""check_backbone: sound backbones conform, and each seeded fault is correctly identified."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stylezoo import Backbone
from stylezoo.errors import OptionError
from stylezoo.testing import assert_conforms, check_backbone


class Sound(Backbone):
    """Two convolutions with ReLUs, at half and a quarter of the size."""

    layers = ("relu1", "relu2")
    inplace = False

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
            self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.register_buffer("mean", torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1))
        self.eval().requires_grad_(False)

    def prepare(self, images):
        return (images - self.mean).to(self.first.weight.dtype)

    def forward(self, images, layers):
        for layer in layers:
            if layer not in self.layers:
                raise OptionError(f"there is no layer {layer!r}")
        features = {"relu1": self.first(self.prepare(images)).relu()}
        if "relu2" in layers:
            features["relu2"] = self.second(features["relu1"]).relu()
        return {layer: features[layer] for layer in layers}


class Pyramid(Backbone):
    """A backbone without weights."""

    layers = ("half", "quarter")

    def forward(self, images, layers):
        pooled = {"half": F.avg_pool2d(images, 2), "quarter": F.avg_pool2d(images, 4)}
        if not set(layers) <= set(pooled):
            raise OptionError(f"{layers} are not among {self.layers}")
        return {layer: pooled[layer] for layer in layers}


class Drawn(Sound):
    """Draws random numbers in the dtype of its weights."""

    def prepare(self, images):
        prepared = super().prepare(images)
        return prepared + torch.rand_like(prepared)


@pytest.mark.parametrize("backbone", [Sound, Pyramid, Drawn])
def test_a_sound_backbone_conforms(backbone):
    report = check_backbone(backbone)
    assert_conforms(report)
    assert not report.findings
    assert len(report.checks) == 16


class Trainable(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(True)


class Drops(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5).eval()

    def prepare(self, images):
        return self.drop(super().prepare(images))


class LeavesOut(Sound):
    def forward(self, images, layers):
        features = super().forward(images, layers)
        features.pop("relu2", None)
        return features


class ReturnsMore(Sound):
    def forward(self, images, layers):
        known = [layer for layer in layers if layer in self.layers]
        if known != list(layers):
            raise OptionError(f"no such layers: {layers}")
        return super().forward(images, list(self.layers))


class KeyErrors(Sound):
    def forward(self, images, layers):
        known = [layer for layer in layers if layer in self.layers]
        features = super().forward(images, known)
        return {layer: features[layer] for layer in layers}


class PassesOver(Sound):
    def forward(self, images, layers):
        return super().forward(images, [layer for layer in layers if layer in self.layers])


class InPlace(Sound):
    layers = ("conv1", "relu1")

    def forward(self, images, layers):
        for layer in layers:
            if layer not in self.layers:
                raise OptionError(f"there is no layer {layer!r}")
        features = {"conv1": self.first(self.prepare(images))}
        if "relu1" in layers:
            features["relu1"] = features["conv1"].relu_()
        return {layer: features[layer] for layer in layers}


class RunsAll(Sound):
    def forward(self, images, layers):
        known = super().forward(images, list(self.layers))
        if not set(layers) <= set(known):
            raise OptionError(f"no such layers: {layers}")
        return {layer: known[layer] for layer in layers}


class StopsGradients(Sound):
    @torch.no_grad()
    def forward(self, images, layers):
        return super().forward(images, layers)


class OverTheBatch(Sound):
    def prepare(self, images):
        prepared = super().prepare(images)
        return prepared / prepared.std()


class Flat(Sound):
    def forward(self, images, layers):
        return {layer: x.flatten(2) for layer, x in super().forward(images, layers).items()}


class AsList(Sound):
    def forward(self, images, layers):
        return list(super().forward(images, layers).values())


class ChannelsBySize(Sound):
    def forward(self, images, layers):
        features = super().forward(images, layers)
        return {layer: x[:, : 2 + images.shape[-1] % 2] for layer, x in features.items()}


class Refuses(Sound):
    def prepare(self, images):
        if images.min() < 0 or images.max() > 1:
            raise ValueError("images must be in [0, 1]")
        return super().prepare(images)


class WritesImages(Sound):
    def prepare(self, images):
        if not images.requires_grad:
            images.sub_(self.mean.to(images.dtype))
        return images.to(self.first.weight.dtype)


class WantsFloat32(Sound):
    def prepare(self, images):
        return images - self.mean.float()


class MeanStays(Sound):
    def __init__(self) -> None:
        super().__init__()
        del self.mean
        self.mean = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)


class OtherWeights(Sound):
    def __init__(self) -> None:
        super().__init__(seed=int(torch.randint(1000, ())))
        self.register_buffer("hidden", torch.rand(3, 1, 1), persistent=False)

    def prepare(self, images):
        return super().prepare(images) * self.hidden.to(self.first.weight.dtype)


class NeedsSize(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.grid = nn.Linear(64, 64).requires_grad_(False)

    def prepare(self, images):
        return self.grid(super().prepare(images))


class Blind(Sound):
    def prepare(self, images):
        return super().prepare(images) * 0 + 1


class NoLayers(Sound):
    layers = ()


class LayerTwice(Sound):
    layers = ("relu1", "relu1")


class Views(Sound):
    def prepare(self, images):
        return super().prepare(images.view(len(images), -1).view(images.shape))


class ViewsWeights(Sound):
    def prepare(self, images):
        norm = self.first.weight.view(4, -1).norm()
        return super().prepare(images) / norm


class ReadsStrides(Sound):
    def prepare(self, images):
        channels_first = images.stride(1) > 1
        return super().prepare(images if channels_first else images.flip(1))


FAULTS = [
    (Trainable, "frozen", "4 parameters require a gradient .first.weight"),
    (Drops, "frozen", r"in training mode.*super\(\).train\(False\)"),
    (LeavesOut, "shapes", "does not return relu2, although requested"),
    (ReturnsMore, "selection", "returns relu2, although not requested"),
    (KeyErrors, "unknown-layer", "raises KeyError: 'no-such-layer'.*OptionError"),
    (PassesOver, "unknown-layer", "silently ignores the name"),
    (InPlace, "selection", "layer conv1 gives values that differ.*inplace=True"),
    (RunsAll, "depth", "relu1 alone takes as many operations .* as relu2"),
    (StopsGradients, "gradients", "no gradient flows to the images"),
    (OverTheBatch, "batch", "image . of the batch gives values that differ.*not over the batch"),
    (Flat, "shapes", r"layer relu1 is 1 × 4 × 1024; it must be \(1, C, h, w\)"),
    (AsList, "shapes", "returns a list, not a dict by layer"),
    (ChannelsBySize, "shapes", "has 3 channels, but had 2 at another size"),
    (Refuses, "range", "values from -0.3 to 1.3.*raises ValueError"),
    (WritesImages, "inputs", "changes its input in place"),
    (WantsFloat32, "dtypes", "raises RuntimeError.*cast the preprocessed images"),
    (MeanStays, "devices", "after .to.'meta'. it raises.*register_buffer"),
    (OtherWeights, "state", "something that matters is not in the state dict"),
    (NeedsSize, "shapes", r"input 2 × 3 × 67 × 89\): it raises RuntimeError"),
    (Blind, "range", "dark and light images give the same features"),
    (NoLayers, "interface", "layers is empty"),
    (LayerTwice, "interface", "layers names relu1 more than once"),
    (Views, "layout", "raises RuntimeError: view size is not compatible"),
    (ViewsWeights, "layout", "in channels-last layout it raises RuntimeError: view size"),
    (ReadsStrides, "layout", "channels-last layout gives values that differ.*do not read strides"),
]


@pytest.mark.parametrize(
    ("backbone", "check", "message"), FAULTS, ids=[f"{f[0].__name__}-{f[1]}" for f in FAULTS]
)
def test_a_seeded_fault_is_found(assert_found, backbone, check, message):
    report = check_backbone(backbone)
    assert_found(report, check, message)


def test_the_size_can_be_larger_for_a_backbone_that_needs_it():
    class Deep(Pyramid):
        def forward(self, images, layers):
            if min(images.shape[-2:]) < 75:
                raise OptionError("images must be 75 pixels wide and high at least")
            return super().forward(images, layers)

    assert "75 pixels" in str(check_backbone(Deep).errors[0])
    assert_conforms(check_backbone(Deep, size=80))
