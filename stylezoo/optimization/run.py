"""Optimise an image, level by level: the method of Gatys et al. 2015."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stylezoo.allocator import reuse_freed_memory
from stylezoo.catalog import Catalog, default_catalog
from stylezoo.checkpoint import load_checkpoint, save_checkpoint
from stylezoo.color import keep_color
from stylezoo.device import choose_device, choose_dtype
from stylezoo.errors import OptionError
from stylezoo.images import Photo
from stylezoo.memory import OVERHEAD, check_memory, kept_bytes, peak_bytes, within_memory
from stylezoo.objective import PerceptualObjective, Targets, build_objective
from stylezoo.optimization.config import MINIMUM_SIZE, OptimizationConfig, style_terms
from stylezoo.optimization.image_optimizer import ImageOptimizer
from stylezoo.optimization.inputs import (
    Inputs,
    LevelInputs,
    Painting,
    as_photo,
    at_level,
    resize,
    starting_image,
    style_inputs,
    to_pixels,
)
from stylezoo.region import Region
from stylezoo.torch_modes import plain_modes

if TYPE_CHECKING:
    from PIL import Image

PROBE = 128  # pixels a side, of the picture from which memory use is extrapolated


@dataclass(frozen=True)
class Iteration:
    """One evaluation of the objective.

    Attributes:
        number: from 1, across all levels.
        iterations: the maximum for the whole optimisation.
        size: longest side of the picture at this level, in pixels.
        total: the objective.
        terms: each term, unweighted.
        seconds: how long the evaluation and the step took.
    """

    number: int
    iterations: int
    size: int
    total: float
    terms: dict[str, float]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class OptimizationResult:
    """The picture, and how it came about.

    Attributes:
        photo: the best picture seen.
        total: its objective.
        terms: each term of the objective, unweighted.
        weights: of each term.
        iterations: every evaluation, in order.
        diverged: whether the last level was stopped early because the objective ran away.
    """

    photo: Photo
    total: float
    terms: Mapping[str, float]
    weights: Mapping[str, float]
    iterations: tuple[Iteration, ...]
    diverged: bool

    @property
    def picture(self) -> Image.Image:
        """The picture as a PIL image."""
        return self.photo.to_pil()


@reuse_freed_memory()
@plain_modes()
def optimize(
    content: str | Path | Photo | Image.Image,
    styles: Painting | Sequence[Painting],
    config: OptimizationConfig | None = None,
    *,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    checkpoint_every: int = 100,
    on_iteration: Callable[[Iteration, Callable[[], Photo]], None] | None = None,
    catalog: Catalog | None = None,
) -> OptimizationResult:
    """Change a photo, or noise, until it has the content of the photo and the style of paintings.

    Args:
        content: the photo.
        styles: a painting, or several: paths, PIL images, Photos or ``StyleInput``. A path may end
            in a share, ``"painting.jpg:0.3"``; ``StyleInput`` can also hold masks.
        config: the recipe; None for that of Gatys et al. 2015. See
            ``OptimizationConfig.preset``.
        checkpoint: a file for the state. From it a stopped run continues, and a finished one gives
            its picture again: delete it once that is saved. None for none.
        resume: continue from the checkpoint, if it exists.
        checkpoint_every: iterations between checkpoints.
        on_iteration: called after each iteration, with it and a function that returns the best
            picture so far at its level.
        catalog: where backbone and losses come from; None for the installed plugins.

    Returns:
        The best picture seen, and the course of the objective.

    Raises:
        ImageError: a picture cannot be read.
        OptionError: an option is out of range, a picture is of an unsupported type, a mask does
            not fit, or there is too little memory.
        CheckpointError: the checkpoint is broken, or from another stylezoo version or another run.
        PluginError: no plugin provides the backbone or a loss.
    """
    if checkpoint_every < 1:
        raise OptionError(f"checkpoint_every is {checkpoint_every}; it must be 1 or more")
    checkpoint = None if checkpoint is None else Path(checkpoint)
    config = config or OptimizationConfig()
    with within_memory(f"{config.size} pixels", "choose a smaller size (--size)"):
        inputs = Inputs(content=as_photo(content), styles=style_inputs(styles))
        run = _Run(inputs, config, catalog or default_catalog())
        if checkpoint is not None and resume and checkpoint.exists():
            run.restore(checkpoint)
        while not run.finished:
            iteration = run.step()
            if checkpoint is not None and iteration.number % checkpoint_every == 0:
                run.save(checkpoint)
            if on_iteration is not None:
                on_iteration(iteration, run.photo)
        if checkpoint is not None:
            run.save(checkpoint)
        return run.result()


class _Run:
    """The state of an optimisation between two iterations: the level, and how far it has come."""

    pictures: LevelInputs

    def __init__(self, inputs: Inputs, config: OptimizationConfig, catalog: Catalog) -> None:
        self.inputs = inputs
        self.config = config
        self.device = choose_device(config.device)
        dtype = choose_dtype(config.precision, self.device)
        style_losses = _style_losses(config, catalog)
        count = len(inputs.styles)
        described = config.objective([style.share for style in inputs.styles], style_losses)
        self.weights = {term.name: term.weight for term in described.terms}
        terms = [style_terms(count, term) for term in ("style", *style_losses)]
        # A painting whose share is 0 has no terms.
        self.names = [
            [name for name in names if name in self.weights] for names in zip(*terms, strict=True)
        ]
        self.objective = build_objective(described, catalog, device=self.device, dtype=dtype)
        _check_style_loss(self.objective, config, count)
        self.sizes = _level_sizes(inputs, config)
        _check_memory(self.objective, inputs, config)
        self.history: list[Iteration] = []
        self.level = 0
        self.done = 0  # iterations at this level
        self._enter_level(None)

    def _enter_level(self, before: Tensor | None) -> None:
        coarser = None if before is None else self.pictures.content
        self.pictures = at_level(self.inputs, self.config, self.sizes[self.level])
        photo = self.pictures.content
        height, width = photo.shape[-2:]
        if before is None or coarser is None:
            start = starting_image(self.pictures, self.config)
        elif self.config.start == "content":
            # The photo's fine detail is known at this level: only what changed is carried up.
            start = (photo + resize(before.cpu() - coarser, height, width)).clamp(0, 1)
        else:
            start = resize(before, height, width).clamp(0, 1)
        self.optimizer = ImageOptimizer(
            self.objective,
            compute_targets(self.objective, self.pictures, self.names),
            _regions(self.pictures, self.names),
            start,
            self.config,
            careful=before is not None,
        )

    @property
    def finished(self) -> bool:
        return self._level_finished and self.level == len(self.sizes) - 1

    @property
    def _level_finished(self) -> bool:
        return self.done >= self.config.iterations or self.optimizer.diverged

    def step(self) -> Iteration:
        started = time.perf_counter()
        if self._level_finished:
            self.level += 1
            self.done = 0
            self._enter_level(self.optimizer.result())
        self.done += 1
        value = self.optimizer.step()
        iteration = Iteration(
            number=len(self.history) + 1,
            iterations=self.config.iterations * len(self.sizes),
            size=self.sizes[self.level],
            total=float(value.total),
            terms={name: float(term) for name, term in value.terms.items()},
            seconds=time.perf_counter() - started,
        )
        self.history.append(iteration)
        return iteration

    def photo(self) -> Photo:
        """The best picture so far, in the photo's colours if they are to be kept."""
        return self._finish(self.optimizer.best[1].clamp(0, 1))

    def _finish(self, image: Tensor) -> Photo:
        pixels, photo = to_pixels(image), self.pictures.photo
        if self.config.preserve_color == "luminance":
            pixels = keep_color(pixels, photo.rgb)
        return Photo(rgb=pixels, alpha=photo.alpha, exif=photo.exif)

    def result(self) -> OptimizationResult:
        image = self.optimizer.result()
        return OptimizationResult(
            photo=self._finish(image),
            total=self.optimizer.best[0],
            terms=self.optimizer.best_terms,
            weights=self.weights,
            iterations=tuple(self.history),
            diverged=self.optimizer.diverged,
        )

    def fingerprint(self) -> dict[str, Any]:
        values = dataclasses.asdict(self.config)
        del values["device"]
        return {**values, "pictures": self.inputs.fingerprint()}

    def save(self, path: Path) -> None:
        state: dict[str, Any] = {
            "level": self.level,
            "done": self.done,
            "history": [dataclasses.asdict(iteration) for iteration in self.history],
            "optimizer": self.optimizer.state_dict(),
        }
        save_checkpoint(path, state, fingerprint=self.fingerprint())

    def restore(self, path: Path) -> None:
        state = load_checkpoint(path, fingerprint=self.fingerprint())
        self.history = [Iteration(**iteration) for iteration in state["history"]]
        self.level, self.done = state["level"], state["done"]
        self._enter_level(None)
        self.optimizer.load_state_dict(state["optimizer"])


def compute_targets(
    objective: PerceptualObjective, pictures: LevelInputs, names: Sequence[Sequence[str]]
) -> Targets:
    """The targets of content and styles; the n-th names are the terms of the n-th painting."""
    device = objective.device
    targets = objective.targets(pictures.content.to(device), "content")
    for terms, painting, region in zip(
        names, pictures.paintings, pictures.painting_regions, strict=True
    ):
        targets |= objective.targets(painting.to(device), "style", terms=terms, region=region)
    return targets


def _style_losses(config: OptimizationConfig, catalog: Catalog) -> list[str]:
    """The further losses that compare with paintings."""
    return [
        name for name in config.further_terms if catalog.create_loss(name).target_from == "style"
    ]


def _check_style_loss(
    objective: PerceptualObjective, config: OptimizationConfig, styles: int
) -> None:
    """Refuse a style loss that would never see a painting.

    Raises:
        OptionError: it does not compare with a painting.
    """
    names = style_terms(styles)
    if any(term.name in names and term.loss.target_from != "style" for term in objective.terms):
        raise OptionError(
            f"the style loss is {config.style_loss!r}, which does not compare with a painting; "
            "choose one that does, such as gram or sliced-wasserstein"
        )


def _regions(pictures: LevelInputs, names: Sequence[Sequence[str]]) -> dict[str, Region]:
    pairs = zip(names, pictures.content_regions, strict=True)
    return {term: region for terms, region in pairs if region is not None for term in terms}


def _level_sizes(inputs: Inputs, config: OptimizationConfig) -> list[int]:
    """The sizes of the levels, without those at which a side would be too short.

    Raises:
        OptionError: a side is too short even at the last level.
    """
    pictures = [(inputs.content, 1.0, "the photo")]
    pictures += [(style.painting, config.style_scale, "a painting") for style in inputs.styles]
    for picture, scale, what in pictures:
        width, height = picture.size
        shortest = config.size * scale * min(width, height) / max(width, height)
        if round(shortest) < MINIMUM_SIZE:
            raise OptionError(
                f"{what} has {width} × {height} pixels; at a size of {config.size} its shorter "
                f"side would have {round(shortest)}, but at least {MINIMUM_SIZE} are needed; "
                "choose a larger size, or crop it"
            )
    sides = [scale * min(p.size) / max(p.size) for p, scale, _ in pictures]
    return [size for size in config.level_sizes if round(size * min(sides)) >= MINIMUM_SIZE]


def _check_memory(
    objective: PerceptualObjective, inputs: Inputs, config: OptimizationConfig
) -> None:
    """Refuse what would not fit in memory, estimated by a pass over a small picture.

    Raises:
        OptionError: it does not fit.
    """
    probe = torch.rand(1, 3, PROBE, PROBE, generator=torch.Generator().manual_seed(0))
    probe = probe.to(objective.device)
    targets = objective.targets(probe, "content")
    device = objective.device
    painting = peak_bytes(lambda: targets.update(objective.targets(probe, "style")), device)
    probe.requires_grad_()
    kept = kept_bytes(lambda: objective(probe, targets))
    pixels = _pixels(inputs.content, config.size)
    image = pixels * 3 * 4
    # L-BFGS keeps two vectors per step, besides image, gradient, best, average, spectra and copies.
    vectors = 2 * config.history + 20 if config.method != "adam" else 12
    picture = kept / PROBE**2 * pixels * OVERHEAD + vectors * image
    largest = max(
        (_pixels(s.painting, config.size * config.style_scale) for s in inputs.styles), default=0.0
    )
    # The paintings are processed one by one, before the picture.
    needed = max(picture, painting / PROBE**2 * largest * OVERHEAD)
    check_memory(int(needed), device, size=config.size)


def _pixels(photo: Photo, size: float) -> float:
    """How many pixels a photo has at a size."""
    return size**2 * min(photo.size) / max(photo.size)
