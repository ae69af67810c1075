"""The measured quality of a feed-forward style: its objective on photos it has not seen."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from stylezoo.images import Photo, find_photos, open_photo
from stylezoo.interfaces.net import TransformNet
from stylezoo.objective import PerceptualObjective, Targets
from stylezoo.registry.record import Quality
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
        The means over the photos of the objective of the net's picture, of the untrained net's,
        and of the photo itself.

    Raises:
        ImageError: the folder holds no photo, or one cannot be read.
    """
    paths = find_photos(photos)
    rows = []
    for path in paths:
        photo = open_photo(path).resized(SIZE)
        targets = {**style_targets, **objective.targets(_batch(photo, objective), "content")}
        candidates = (Style(net=net)(photo), Style(net=untrained)(photo), photo)
        rows.append([_value(objective, candidate, targets) for candidate in candidates])
    trained_mean, untrained_mean, photo_mean = torch.tensor(rows).mean(dim=0).tolist()
    return Quality(
        command=command,
        photos=len(paths),
        objective=round(trained_mean, 4),
        objective_untrained=round(untrained_mean, 4),
        objective_photo=round(photo_mean, 4),
    )


def _value(objective: PerceptualObjective, picture: Photo, targets: Targets) -> float:
    with torch.no_grad():
        return float(objective(_batch(picture, objective), targets).total)


def _batch(photo: Photo, objective: PerceptualObjective) -> Tensor:
    pixels = photo.rgb.transpose(2, 0, 1).copy()
    return torch.from_numpy(pixels).unsqueeze(0).to(objective.device)
