"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from stylezoo.allocator import reuse_freed_memory
from stylezoo.catalog import Catalog
from stylezoo.checkpoint import load_checkpoint, save_checkpoint
from stylezoo.device import choose_device, choose_dtype
from stylezoo.errors import TrainingError
from stylezoo.images import open_photo
from stylezoo.interfaces.net import TransformNet
from stylezoo.objective import ObjectiveValue, Targets, build_objective
from stylezoo.train.config import TrainingConfig
from stylezoo.train.crops import PhotoCrops

WARM_UP = 0.1  # the part of the steps in which the learning rate rises


@dataclass(frozen=True)
class StepReport:
    """One step of training.

    Attributes:
        step: its number, from 1.
        steps: of the whole training.
        total: the objective of its batch.
        terms: each term, unweighted.
        seconds: that it took.
    """

    step: int
    steps: int
    total: float
    terms: dict[str, float]
    seconds: float


class Trainer:
    """Trains one net. ``run`` yields after each step, so that the caller can watch and save.

    Args:
        config: the recipe.
        catalog: where net, backbone and losses come from.

    Raises:
        OptionError, ImageError, PluginError: the config asks for what is not there.
    """

    def __init__(self, config: TrainingConfig, catalog: Catalog) -> None:
        self.config = config
        reuse_freed_memory()
        self.device = choose_device(config.device)
        self.dtype = choose_dtype(config.precision, self.device)
        self.step = 0
        self.crops = PhotoCrops(
            config.photos,
            crop_size=config.crop_size,
            batch_size=config.batch_size,
            seed=config.seed,
        )
        self.objective = build_objective(
            config.objective, catalog, device=self.device, dtype=self.dtype
        )
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            net = catalog.create_net(config.net, **config.net_arguments)
        self.net = net.to(self.device).to(memory_format=torch.channels_last).train()
        average = get_ema_multi_avg_fn(config.average_decay)
        self.average = AveragedModel(self.net, multi_avg_fn=average, use_buffers=True)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=config.learning_rate)
        style_image = load_style_image(config).to(self.device)
        self.style_targets = self.objective.targets(style_image, "style")

    def averaged_net(self) -> TransformNet:
        """The net to keep: the moving average of the weights, in eval mode."""
        net: TransformNet = self.average.module.eval()  # type: ignore[assignment]
        return net

    def run(self) -> Iterator[StepReport]:
        """Do the steps that are left.

        Raises:
            TrainingError: the objective is no longer finite, or no photo can be read.
        """
        with ThreadPoolExecutor(max_workers=1) as reader:
            upcoming = reader.submit(self.crops.batch, self.step)
            while self.step < self.config.steps:
                started = time.perf_counter()
                photos = upcoming.result()
                upcoming = reader.submit(self.crops.batch, self.step + 1)
                value = self._learn(photos.to(self.device, memory_format=torch.channels_last))
                self.step += 1
                yield StepReport(
                    step=self.step,
                    steps=self.config.steps,
                    total=float(value.total),
                    terms={name: float(term) for name, term in value.terms.items()},
                    seconds=time.perf_counter() - started,
                )

    def _learn(self, photos: Tensor) -> ObjectiveValue:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * rate_factor(self.step / self.config.steps)
        targets: Targets = {**self.style_targets, **self.objective.targets(photos, "content")}
        narrow = self.dtype != torch.float32
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=narrow):
            images = self.net(photos)
        value: ObjectiveValue = self.objective(images.float(), targets)
        if not math.isfinite(value.total.item()):
            raise TrainingError(
                f"the objective is {value.total.item()} at step {self.step + 1}; "
                "train with a lower learning rate"
            )
        self.optimizer.zero_grad()
        value.total.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        self.average.update_parameters(self.net)
        return ObjectiveValue(
            total=value.total.detach(), terms={n: t.detach() for n, t in value.terms.items()}
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        state = {
            "step": self.step,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_checkpoint(path, state, fingerprint=self.config.fingerprint())

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint: the steps to come are those of an uninterrupted run."""
        state = load_checkpoint(path, fingerprint=self.config.fingerprint())
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def load_style_image(config: TrainingConfig) -> Tensor:
    """The painting at the size that the config names: (1, 3, H, W) in [0, 1].

    Raises:
        ImageError: it cannot be read.
    """
    pixels = open_photo(config.style_image).resized(config.style_size).rgb
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy()).unsqueeze(0)


def rate_factor(progress: float) -> float:
    """The one-cycle schedule (Smith & Topin 2018): up to 1 in a tenth of the steps, then down.

    Args:
        progress: from 0 to 1.

    Returns:
        What to multiply the peak learning rate by, from 0 to 1.
    """
    if progress < WARM_UP:
        return 0.04 + 0.96 * progress / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
