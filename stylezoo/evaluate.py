"""The measured quality of a feed-forward style: its objective on photos it has not seen."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from stylezoo.images import Photo, find_photos, open_photo
from stylezoo.interfaces.net import TransformNet
from stylezoo.objective import PerceptualObjective, Targets
from stylezoo.registry.record import PhotoQuality, Quality
from stylezoo.style import Style

SIZE = 512  # pixels, the longest side


def measure_quality(
    net: TransformNet,
    untrained: TransformNet,
    objective: PerceptualObjective,
    style_targets: Targets,
    photos: Path,
    *,
    command: str,
) -> Quality:
    """Compare the objective of the styled photos with that of two things that cost nothing.

    Args:
        net: trained, in eval mode, on the CPU.
        untrained: the same net with the weights it started from.
        objective: what the net was trained for.
        style_targets: of the painting.
        photos: a folder of photos that training did not see. Each is brought to 512 px.
        command: that makes the measure again; recorded.

    Returns:
        For each photo the objective of the net's picture, of the untrained net's, and of the
        photo itself.

    Raises:
        ImageError: the folder holds no photo, or one cannot be read.
    """
    results = []
    for path in find_photos(photos):
        photo = open_photo(path).resized(SIZE)
        targets = {**style_targets, **objective.targets(_batch(photo, objective), "content")}
        results.append(
            PhotoQuality(
                photo=path.name,
                objective=_value(objective, Style(net=net)(photo), targets),
                untrained=_value(objective, Style(net=untrained)(photo), targets),
                unstyled=_value(objective, photo, targets),
            )
        )
    return Quality(command=command, size=SIZE, results=tuple(results))


def _value(objective: PerceptualObjective, picture: Photo, targets: Targets) -> float:
    with torch.no_grad():
        return round(float(objective(_batch(picture, objective), targets).total), 4)


def _batch(photo: Photo, objective: PerceptualObjective) -> Tensor:
    pixels = photo.rgb.transpose(2, 0, 1).copy()
    return torch.from_numpy(pixels).unsqueeze(0).to(objective.device)
