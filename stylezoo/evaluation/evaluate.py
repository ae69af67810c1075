"""The measured quality of a feed-forward style, on photos that it has not seen."""

from __future__ import annotations

import os
import platform
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import torch
from torch import Tensor

from stylezoo.allocator import reuse_freed_memory
from stylezoo.catalog import Catalog, default_catalog
from stylezoo.device import Precision, choose_device, choose_dtype
from stylezoo.errors import ImageError, OptionError
from stylezoo.evaluation.equivalent import Curve, optimization_curve
from stylezoo.evaluation.ssim import structural_similarity
from stylezoo.evaluation.stability import noise_difference, shift_difference
from stylezoo.images import Photo, find_photos, open_photo
from stylezoo.interfaces.net import MultiStyleNet
from stylezoo.memory import within_memory
from stylezoo.objective import SHORTEST_SIDE, ObjectiveValue, Targets, build_objective
from stylezoo.objective_config import ObjectiveConfig
from stylezoo.optimization.inputs import to_tensor
from stylezoo.registry.record import Quality, SizeQuality
from stylezoo.registry.resolve import resolve
from stylezoo.registry.sources import all_sources
from stylezoo.registry.spec import StyleSpec
from stylezoo.registry.verify import verify_files
from stylezoo.seeding import check_seed, seeded
from stylezoo.style import Style
from stylezoo.torch_modes import plain_modes

PAPER_ITERATIONS = 500  # of the baseline in Johnson et al. 2016, table 1
TIMED_RUNS = 3


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How much to measure.

    Attributes:
        sizes: longest sides of the photos, in pixels; by default those of Johnson et al. 2016.
        curves: how many photos to optimise explicitly at each size; None for 1024 / size, which
            takes about as long at each.
        limit: the maximum number of iterations of an explicit optimisation.
        seed: for the noise and the untrained net.
        device: such as ``"cpu"`` or ``"cuda"``; None for the best available.
        precision: of the backbone; ``"auto"`` uses bfloat16 where the hardware computes in it.

    Raises:
        OptionError: a value is out of range.
    """

    sizes: tuple[int, ...] = (256, 512, 1024)
    curves: int | None = None
    limit: int = 150
    seed: int = 0
    device: str | torch.device | None = None
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 32 or len(set(self.sizes)) != len(self.sizes):
            raise OptionError(f"the sizes are {self.sizes}; they must differ, and be 32 or more")
        if self.curves is not None and self.curves < 1:
            raise OptionError(f"curves is {self.curves}; it must be 1 or more")
        if self.limit < 1:
            raise OptionError(f"the limit is {self.limit}; it must be 1 or more")
        object.__setattr__(self, "seed", check_seed(self.seed))

    def curves_at(self, size: int) -> int:
        """How many photos to optimise explicitly at a size."""
        return self.curves or max(1, 1024 // size)


@dataclass(frozen=True, kw_only=True)
class PhotoMeasure:
    """What was measured on one photo at one size.

    Attributes:
        photo: its name.
        size: longest side, in pixels.
        objective: of the style's picture; lower is better.
        terms: each term of it, unweighted.
        untrained: the objective of the picture of the same net with random weights.
        unstyled: the objective of the photo itself.
        ssim: structural similarity of photo and picture.
        shift: ``shift_difference``.
        noise: ``noise_difference``.
        seconds: how long the style took.
    """

    photo: str
    size: int
    objective: float
    terms: Mapping[str, float]
    untrained: float
    unstyled: float
    ssim: float
    shift: float
    noise: float
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured.

    Attributes:
        quality: the summary that a record holds.
        photos: the measures of each photo at each size.
        curves: the explicit optimisations.
    """

    quality: Quality
    photos: tuple[PhotoMeasure, ...]
    curves: tuple[Curve, ...]


@reuse_freed_memory()
@plain_modes()
def evaluate_style(
    style: Style,
    photos: str | Path,
    painting: Photo,
    config: EvaluationConfig | None = None,
    *,
    command: str,
    on_progress: Callable[[str], None] | None = None,
    catalog: Catalog | None = None,
) -> Evaluation:
    """Measure a style against the explicit optimisation of the objective it was trained for.

    Args:
        style: loaded, with a record that names its objective.
        photos: a folder of photos that training did not see.
        painting: at the size that the style was trained with.
        config: how much to measure.
        command: to repeat the measurement; recorded.
        on_progress: called with a line of text before each part.
        catalog: where net, backbone and losses come from; None for the installed plugins.

    Raises:
        OptionError: the record names no objective, an option is out of range, or there is too
            little memory.
        ImageError: the folder holds no photo, or one cannot be read or is too narrow.
    """
    config = config or EvaluationConfig()
    say = on_progress or (lambda text: None)
    with within_memory(
        f"photos of {max(config.sizes)} pixels", "choose smaller sizes (stylezoo evaluate --sizes)"
    ):
        evaluator = _Evaluator(style, painting, config, catalog or default_catalog())
        paths = check_photos(photos, config.sizes)
        measures: list[PhotoMeasure] = []
        curves: list[Curve] = []
        sizes = []
        for size in config.sizes:
            here = []
            for path in paths:
                say(f"{size} px: {path.name}")
                here.append(evaluator.measure(path.name, open_photo(path).resized(size), size))
            drawn = []
            for path, measure in zip(paths[: config.curves_at(size)], here, strict=False):
                say(f"{size} px: optimising {path.name} to the objective {measure.objective:.3f}")
                photo = open_photo(path).resized(size)
                drawn += evaluator.curves(path.name, photo, measure.objective)
            sizes.append(_summary(size, here, drawn))
            measures += here
            curves += drawn
    quality = Quality(command=command, machine=_machine(config.device), sizes=tuple(sizes))
    return Evaluation(quality=quality, photos=tuple(measures), curves=tuple(curves))


def check_photos(folder: str | Path, sizes: Sequence[int]) -> list[Path]:
    """Find the photos to measure on, and read each once, so that a broken one shows at the start.

    None is kept: a folder of photos from a camera would not fit into memory.

    Raises:
        ImageError: the folder holds no photo, or one cannot be read, or is so narrow at the
            smallest of the sizes that the backbone's poolings would leave nothing of it.
    """
    paths = find_photos(folder)
    for path in paths:
        width, height = open_photo(path).resized(min(sizes)).size
        if min(width, height) < SHORTEST_SIDE:
            raise ImageError(
                f"{path.name} would be {width} × {height} pixels; a photo to measure on must have "
                f"at least {SHORTEST_SIDE} on its shorter side at every size"
            )
    return paths


class _Evaluator:
    """A style, the same net with random weights, and its objective with the painting's targets."""

    def __init__(
        self, style: Style, painting: Photo, config: EvaluationConfig, catalog: Catalog
    ) -> None:
        objective = objective_of(style)
        self.style = style
        self.config = config
        device = choose_device(config.device)
        dtype = choose_dtype(config.precision, device)
        self.objective = build_objective(objective, catalog, device=device, dtype=dtype)
        self.style_targets = self.objective.targets(self._batch(painting), "style")
        self.untrained = _untrained(style, config.seed, catalog)

    def measure(self, name: str, photo: Photo, size: int) -> PhotoMeasure:
        styled = self.style(photo)
        targets = self._targets(photo)
        value = self._judge(styled, targets)
        return PhotoMeasure(
            photo=name,
            size=size,
            objective=value.total.item(),
            terms={term: x.item() for term, x in value.terms.items()},
            untrained=self._judge(self.untrained(photo), targets).total.item(),
            unstyled=self._judge(photo, targets).total.item(),
            ssim=structural_similarity(photo.rgb, styled.rgb),
            shift=shift_difference(self.style, photo.rgb),
            noise=noise_difference(self.style, photo.rgb, styled.rgb, self.config.seed),
            seconds=self._seconds(photo),
        )

    def curves(self, name: str, photo: Photo, level: float) -> list[Curve]:
        content = self._batch(photo)
        targets = self._targets(photo)
        return [
            optimization_curve(
                self.objective,
                targets,
                content,
                level,
                photo=name,
                start=start,
                limit=self.config.limit,
                seed=self.config.seed,
            )
            for start in ("noise", "content")
        ]

    def _seconds(self, photo: Photo) -> float:
        times = []
        for _ in range(TIMED_RUNS):
            started = time.perf_counter()
            self.style(photo)
            times.append(time.perf_counter() - started)
        return median(times)

    def _targets(self, photo: Photo) -> Targets:
        return {**self.style_targets, **self.objective.targets(self._batch(photo), "content")}

    def _judge(self, picture: Photo, targets: Targets) -> ObjectiveValue:
        with torch.no_grad():
            value: ObjectiveValue = self.objective(self._batch(picture), targets)
            return value

    def _batch(self, photo: Photo) -> Tensor:
        return to_tensor(photo.rgb).to(self.objective.device)


def measuring_command(
    style: Style, photos: Path, config: EvaluationConfig, painting: Path | None = None
) -> str:
    """The command that repeats a measurement, naming files without their folders.

    Args:
        style: with a record.
        photos: their folder.
        config: how much was measured.
        painting: the file that was used; None for the one in the style's folder.
    """
    assert style.record is not None
    name = f"{style.record.name}@{style.record.version}"
    if style.pack_style is not None:
        name = f"{name}:{style.pack_style.name}"
    words = ["stylezoo", "evaluate", name, "--photos", photos.resolve().name]
    if painting is not None:
        words += ["--painting", painting.name]
    words += ["--sizes", ",".join(map(str, config.sizes)), "--limit", str(config.limit)]
    if config.curves is not None:
        words += ["--curves", str(config.curves)]
    words += ["--seed", str(config.seed)]
    if config.precision != "auto":
        words += ["--precision", config.precision]
    return shlex.join(words)


def objective_of(style: Style) -> ObjectiveConfig:
    """What a style's net was trained to minimise.

    Raises:
        OptionError: its record does not say, or it is a pack and no single style of it is chosen.
    """
    record = style.record
    if record is None or record.objective is None:
        raise OptionError(
            "the style's record names no objective, so there is nothing to measure it by; "
            "evaluate a style that 'stylezoo train' made"
        )
    if not record.styles:
        return record.objective
    if style.pack_style is None:
        raise OptionError(
            f"{record.name} holds several styles; evaluate one, as in "
            f"{record.name}:{record.styles[0].name}"
        )
    return record.objective.with_style_weight(style.pack_style.style_weight)


def painting_path(spec: str | Path, style: Style, catalog: Catalog) -> Path | None:
    """Find and verify the painting that a style, or the one chosen from a pack, was made from.

    Args:
        spec: of the style.
        style: loaded from it.
        catalog: where it came from.

    Returns:
        The file, or None if the style does not hold its painting.

    Raises:
        IntegrityError: the file does not match the record.
    """
    record = style.record
    if record is None:
        return None
    paintings = record.paintings
    if record.styles:
        wanted = style.pack_style.painting if style.pack_style else None
        paintings = tuple(file for file in paintings if file.path == wanted)
    if not paintings:
        return None
    found = resolve(StyleSpec.parse(spec), all_sources(catalog))
    verify_files(found.folder, found.record, paintings[:1])
    return found.folder / paintings[0].path


def _untrained(style: Style, seed: int, catalog: Catalog) -> Style:
    assert style.record is not None
    described = style.record.net
    with seeded(seed):
        name = catalog.net_of(described.name, described.plugin)
        net = catalog.create_net(name, **described.arguments)
    if isinstance(net, MultiStyleNet) and style.styles:
        net = net.blend(style.shares)
    return Style(net=net.eval())


def _summary(size: int, measures: Sequence[PhotoMeasure], curves: Sequence[Curve]) -> SizeQuality:
    seconds = median(measure.seconds for measure in measures)
    iteration = median(curve.iteration_seconds for curve in curves)
    noise = [curve for curve in curves if curve.start == "noise"]
    content = [curve for curve in curves if curve.start == "content"]
    return SizeQuality(
        size=size,
        photos=len(measures),
        objective=_round(fmean(m.objective for m in measures)),
        terms={name: _round(fmean(m.terms[name] for m in measures)) for name in measures[0].terms},
        untrained=_round(fmean(m.untrained for m in measures)),
        unstyled=_round(fmean(m.unstyled for m in measures)),
        worst=_round(max(m.objective / m.unstyled for m in measures)),
        iterations_from_noise=_round(fmean(curve.equivalent for curve in noise)),
        iterations_from_content=_round(fmean(curve.equivalent for curve in content)),
        optimized=len(noise),
        capped=not all(curve.reached for curve in curves),
        seconds=_round(seconds),
        iteration_seconds=_round(iteration),
        speedup=float(round(PAPER_ITERATIONS * iteration / seconds)),
        ssim=_round(fmean(m.ssim for m in measures)),
        shift=_round(fmean(m.shift for m in measures)),
        noise=_round(fmean(m.noise for m in measures)),
    )


def _round(value: float) -> float:
    """Round to four significant digits: more would be noise."""
    return float(f"{value:.4g}")


def _machine(device: str | torch.device | None) -> str:
    chosen = choose_device(device)
    if chosen.type == "cuda":
        return f"{platform.machine()}, {torch.cuda.get_device_name(chosen)}"
    return f"{platform.machine()}, {torch.get_num_threads()} threads of {os.cpu_count()} CPUs"
