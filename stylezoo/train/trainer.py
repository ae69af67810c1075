"""The training loop."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from stylezoo.catalog import Catalog
from stylezoo.checkpoint import load_checkpoint, save_checkpoint
from stylezoo.device import choose_dtype
from stylezoo.errors import ImageError, OptionError, TrainingError
from stylezoo.images import Photo, open_photo
from stylezoo.interfaces.net import TransformNet
from stylezoo.objective import SHORTEST_SIDE, ObjectiveValue, build_objective
from stylezoo.optimization.inputs import to_tensor
from stylezoo.process_setting import ProcessSetting
from stylezoo.registry.spec import StyleSpec
from stylezoo.registry.verify import sha256_of
from stylezoo.seeding import seeded
from stylezoo.train.balance import StyleBalance
from stylezoo.train.config import TrainingConfig
from stylezoo.train.crops import PhotoCrops
from stylezoo.train.optimizer import build_optimizers
from stylezoo.train.processes import Processes
from stylezoo.train.start import starting_net

# A GPU learns from a batch faster than one thread reads it.
BATCHES_AHEAD = 4

WARM_UP = 0.1  # fraction of the steps over which the learning rate rises

SMALLEST_PAINTING = 64  # pixels, of its longer side

# The stability term costs a second pass of the net, so it is only computed now and then.
STABILITY_EVERY = 4  # steps
STABILITY_NOISE = 0.01  # standard deviation
STABILITY_MARGIN = 16  # pixels; for a small crop, a quarter of its side
LONGEST_SHIFT = 4  # pixels

MOST_LEFT_OUT = 20  # steps in a row

# Whether cuDNN benchmarks its convolution algorithms: crops have few sizes, so it pays.
_CUDNN_BENCHMARK = ProcessSetting(
    lambda: torch.backends.cudnn.benchmark, partial(setattr, torch.backends.cudnn, "benchmark")
)


@dataclass(frozen=True)
class StepReport:
    """One step of training.

    Attributes:
        step: its number, from 1.
        steps: number of steps in the whole training.
        total: the objective of its batch.
        terms: each term, unweighted.
        learning_rate: of this step.
        seconds: time it took.
    """

    step: int
    steps: int
    total: float
    terms: dict[str, float]
    learning_rate: float
    seconds: float


class Trainer:
    """Trains one net. ``run`` yields after each step, so that the caller can watch and save.

    A step whose objective or gradient overflows changes nothing; ``left_out`` counts them.

    Args:
        config: the recipe.
        catalog: where net, backbone and losses come from.

    Raises:
        OptionError, ImageError, PluginError: the config asks for something that does not exist.
    """

    def __init__(self, config: TrainingConfig, catalog: Catalog) -> None:
        self.config = config
        self.processes = Processes(config.device)
        self.device = self.processes.device
        self.places = self.processes.share(range(config.batch_size))
        self.dtype = choose_dtype(config.precision, self.device)
        self.step = 0
        self.left_out = 0
        self._left_out_in_a_row = 0
        self.crops = PhotoCrops(
            config.photos,
            crop_sizes=config.crop_sizes,
            batch_size=config.batch_size if config.steps else 1,  # the preview needs a photo
            seed=config.seed,
            half_until=round(config.half_crops * config.steps),
        )
        self.start = starting_net(config, catalog)
        _check_crops(config, self.start.net)
        # A style that is taken as it is keeps its weight.
        weight = config.style_weight if config.steps else None
        self.balance = StyleBalance(self.start.style_weights, weight)
        self.objective = build_objective(
            config.objective(self.balance.weights[0]),
            catalog,
            device=self.device,
            dtype=self.dtype,
        )
        self.net = self.start.net.to(self.device).to(memory_format=torch.channels_last).train()
        averaged_steps = max(1.0, config.average_part * config.steps)
        average = get_ema_multi_avg_fn(1 - 1 / averaged_steps)
        self.average = AveragedModel(self.net, multi_avg_fn=average, use_buffers=True)
        self.optimizers = build_optimizers(self.net, config)
        self._learner = self.processes.join(self.net)
        self.style_targets = [
            self.objective.targets(
                to_tensor(painting_of(path, config.style_size).rgb).to(self.device), "style"
            )
            for path in config.style_images.values()
        ]
        self.fingerprint = self._fingerprint()  # of the files as they are at the start

    def averaged_net(self) -> TransformNet:
        """The net to keep: the moving average of the weights, in eval mode."""
        net: TransformNet = self.average.module.eval()  # type: ignore[assignment]
        return net

    def run(self) -> Iterator[StepReport]:
        """Run the remaining steps.

        Raises:
            TrainingError: too many steps in a row overflow, or no photo is usable.
        """
        with ThreadPoolExecutor(max_workers=BATCHES_AHEAD) as readers:
            to_read = iter(range(self.step, self.config.steps))
            upcoming = deque(
                readers.submit(self.crops.batch, number, self.places)
                for number in islice(to_read, BATCHES_AHEAD)
            )
            while self.step < self.config.steps:
                started = time.perf_counter()
                photos = upcoming.popleft().result()
                number = next(to_read, None)
                if number is not None:
                    upcoming.append(readers.submit(self.crops.batch, number, self.places))
                # A net may draw random numbers, which must not depend on where a run was resumed.
                with _CUDNN_BENCHMARK.at(True), seeded(self.config.seed + self.step):
                    value = self._learn(photos.to(self.device, memory_format=torch.channels_last))
                self.step += 1
                yield StepReport(
                    step=self.step,
                    steps=self.config.steps,
                    total=float(value.total),
                    terms={name: float(term) for name, term in value.terms.items()},
                    learning_rate=self.optimizers[0].param_groups[0]["lr"],
                    seconds=time.perf_counter() - started,
                )

    def _learn(self, photos: Tensor) -> ObjectiveValue:
        factor = rate_factor(self.step / self.config.steps, self.config.schedule)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = factor * group["initial_lr"]
        styles = self._styles_of_batch()
        statistics = [buffer.clone() for buffer in self.net.buffers()]
        images = self._stylise(photos, styles)
        value, contents = self._judge(images, photos, styles)
        if self.config.stability_weight and self.step % STABILITY_EVERY == 0:
            stability = self._instability(images, photos, styles)
            value = ObjectiveValue(
                total=value.total + self.config.stability_weight * stability,
                terms={**value.terms, "stability": stability.detach()},
            )
        self.net.zero_grad()
        value.total.backward()
        if self._update():
            self._rebalance(contents)
        else:
            # Batch norms have already seen what overflowed.
            for buffer, before in zip(self.net.buffers(), statistics, strict=True):
                buffer.copy_(before)
        total, *terms = self.processes.mean(torch.stack([value.total, *value.terms.values()]))
        return ObjectiveValue(total=total, terms=dict(zip(value.terms, terms, strict=True)))

    def _update(self) -> bool:
        """Apply the gradient; if it is not finite, change nothing and return False."""
        learnt = [p for p in self.net.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm([p.grad for p in learnt if p.grad is not None])
        if not math.isfinite(norm.item()):
            self.left_out += 1
            self._left_out_in_a_row += 1
            if self._left_out_in_a_row == MOST_LEFT_OUT:
                raise TrainingError(
                    f"the gradient of the last {MOST_LEFT_OUT} steps, up to step "
                    f"{self.step + 1}, is {norm.item()}; train with a lower learning rate"
                )
            return False
        self._left_out_in_a_row = 0
        if self.config.gradient_clip is not None:
            nn.utils.clip_grads_with_norm_(learnt, self.config.gradient_clip, norm)
        for optimizer in self.optimizers:
            optimizer.step()
        self.average.update_parameters(self.net)
        return True

    def _styles_of_batch(self) -> list[int]:
        """The painting's number for each of this process's photos: all in turn, reshuffled.

        They are sorted within a batch, so that the images of a style are together; the whole batch
        is, so that a photo gets the same painting however many processes share the batch.
        """
        count = len(self.style_targets)
        first = self.step * self.config.batch_size
        styles = []
        for index in range(first, first + self.config.batch_size):
            turn, place = divmod(index, count)
            order = np.random.default_rng([self.config.seed, turn, 2]).permutation(count)
            styles.append(int(order[place]))
        styles.sort()
        return [styles[place] for place in self.places]

    def _stylise(self, photos: Tensor, styles: Sequence[int]) -> Tensor:
        narrow = self.dtype != torch.float32
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=narrow):
            if len(self.style_targets) == 1:
                images = self._learner(photos)
            else:
                number = torch.tensor(styles, device=self.device)
                shares = nn.functional.one_hot(number, len(self.style_targets)).float()
                images = self._learner(photos, shares)
        result: Tensor = images.float()
        return result

    def _judge(
        self, images: Tensor, photos: Tensor, styles: Sequence[int]
    ) -> tuple[ObjectiveValue, Tensor]:
        """The objective's mean over the batch, each image with its own painting and weight.

        Returns:
            It, and for each style (2, styles) its number of images and their summed content terms.
        """
        counts = Counter(styles)
        parts = _split(self.objective.features(images), list(counts.values()))
        with torch.no_grad():
            contents = _split(self.objective.features(photos, "content"), list(counts.values()))
        totals = []
        terms: dict[str, Tensor] = {}
        seen = torch.zeros(2, len(self.style_targets), device=self.device)
        for (style, count), part, content in zip(counts.items(), parts, contents, strict=True):
            value = self.objective.judge(
                part,
                {**self.style_targets[style], **self.objective.targets_of(content, "content")},
                weights={"style": self.balance.weights[style]},
            )
            share = count / len(styles)
            seen[0, style] = count
            seen[1, style] = count * value.terms["content"].detach()
            totals.append(share * value.total)
            for name, term in value.terms.items():
                terms[name] = terms.get(name, torch.zeros_like(term)) + share * term.detach()
        return ObjectiveValue(total=torch.stack(totals).sum(), terms=terms), seen

    def _rebalance(self, contents: Tensor) -> None:
        """Update the styles' weights from what ``_judge`` returns of their content terms."""
        for style, (count, distance) in enumerate(self.processes.mean(contents).T.tolist()):
            if count:
                self.balance.observe(style, distance / count, self.step / self.config.steps)

    def _instability(self, images: Tensor, photos: Tensor, styles: Sequence[int]) -> Tensor:
        """Mean square of what a shift and noise change in the pictures beyond moving them."""
        random = torch.Generator().manual_seed(self.config.seed + self.step)
        down, right = torch.randint(-LONGEST_SHIFT, LONGEST_SHIFT + 1, (2,), generator=random)
        noise = torch.randn((self.config.batch_size, *photos.shape[1:]), generator=random)[
            list(self.places)
        ]
        noise = noise.to(photos) * STABILITY_NOISE
        shift = (int(down), int(right))
        moved = self._stylise((photos + noise).clamp(0, 1).roll(shift, (2, 3)), styles)
        # Pictures may differ near the border and the seam, where the photo was cut and joined.
        margin = min(STABILITY_MARGIN, min(photos.shape[2:]) // 4)
        inside = slice(margin, -margin)
        difference = (moved - images.roll(shift, (2, 3)))[..., inside, inside]
        return difference.square().mean()

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        skipped = dict(self.crops.skipped)  # at once: the readers of later photos may add to it
        state = {
            "step": self.step,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "balance": self.balance.state_dict(),
            "left_out": self.left_out,
            "left_out_in_a_row": self._left_out_in_a_row,
            "skipped": {path.name: reason for path, reason in skipped.items()},
        }
        save_checkpoint(path, state, fingerprint=self.fingerprint)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint: the remaining steps are those of an uninterrupted run."""
        state = load_checkpoint(
            path, fingerprint=self.fingerprint, advice=self._advice_on_the_base()
        )
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.balance.load_state_dict(state["balance"])
        self.left_out = state["left_out"]
        self._left_out_in_a_row = state["left_out_in_a_row"]
        skipped = state["skipped"]
        self.crops.skipped.update(
            {path: skipped[path.name] for path in self.crops.paths if path.name in skipped}
        )
        self.step = state["step"]

    def _fingerprint(self) -> dict[str, Any]:
        """Everything that decides the result: a training resumes only if it matches.

        Photos count by name and size: reading them all would take longer than resuming.
        """
        photos = [f"{path.name} {_size_of(path)}" for path in self.crops.paths]
        base = self.start.base
        return {
            **self.config.fingerprint(),
            "paintings": [sha256_of(Path(path)) for path in self.config.style_images.values()],
            "photos": sha256("\n".join(photos).encode()).hexdigest(),
            "base": base.file("weights").sha256 if base else None,
            "shares": self.start.shares,
        }

    def _advice_on_the_base(self) -> str:
        """What to do if a base without an exact version has changed since the run began."""
        base, spec = self.start.base, self.config.base
        if base is None or spec is None:
            return ""
        parsed = StyleSpec.parse(spec)
        if parsed.path is not None or str(parsed.versions) == f"=={base.version}":
            return ""
        _, colon, style = spec.partition(":")
        pinned = f"{parsed.name or parsed.repository}@VERSION{colon}{style}"
        return (
            f" (the base {spec} is {base.name} {base.version} now; if the run began with another "
            f"version, name it with --base {pinned})"
        )


def _size_of(path: Path) -> int | None:
    """The size of a photo in bytes; None if it is gone or a dangling link."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _check_crops(config: TrainingConfig, net: TransformNet) -> None:
    """Refuse crop sizes that the net does not take.

    Raises:
        OptionError: there is such a size.
    """
    sides = {*config.crop_sizes, *(size // 2 for size in config.crop_sizes if config.half_crops)}
    for side in sorted(sides):
        if side % net.stride or side < net.minimum_size:
            raise OptionError(
                f"a crop has {side} pixels, but the net takes multiples of {net.stride}, at least "
                f"{net.minimum_size}; choose another --crop-size"
                f"{' or no --half-crops' if config.half_crops else ''}"
            )


def _split(features: Mapping[str, Tensor], counts: list[int]) -> list[dict[str, Tensor]]:
    """Split a batch's features into consecutive groups of ``counts`` images."""
    split = {layer: x.split(counts) for layer, x in features.items()}
    return [{layer: x[part] for layer, x in split.items()} for part in range(len(counts))]


def painting_of(path: str | Path, size: int) -> Photo:
    """Open a painting, with its longest side reduced to ``size`` pixels if it is longer.

    Raises:
        ImageError: it cannot be read, or is too small to have a style.
    """
    photo = open_photo(path)
    if max(photo.size) < SMALLEST_PAINTING:
        raise ImageError(
            f"{path} is {photo.size[0]} × {photo.size[1]} pixels; a painting must have "
            f"at least {SMALLEST_PAINTING} on its longer side"
        )
    # Enlarging would only blur its strokes.
    resized = photo.resized(min(size, max(photo.size)))
    if min(resized.size) < SHORTEST_SIDE:
        raise ImageError(
            f"{path} is {resized.size[0]} × {resized.size[1]} pixels at the training size; a "
            f"painting must have at least {SHORTEST_SIDE} on its shorter side"
        )
    return resized


def rate_factor(progress: float, schedule: Literal["one-cycle", "constant"]) -> float:
    """The factor for the peak learning rate, from 0 to 1.

    Args:
        progress: of the training, from 0 to 1.
        schedule: ``"one-cycle"`` (Smith & Topin 2018): up to 1 over the first tenth of the steps,
            then down; or ``"constant"``.
    """
    if schedule == "constant":
        return 1.0
    if progress < WARM_UP:
        return 0.04 + 0.96 * progress / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
