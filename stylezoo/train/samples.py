"""Sample pictures: how far a training has come, to look at while it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stylezoo.images import Photo, open_photo, save_photo
from stylezoo.style import Style
from stylezoo.train.trainer import Trainer

PHOTOS = 4
SIDE = 320  # pixels


def write_samples(trainer: Trainer, path: Path) -> None:
    """Save a strip of training photos, each above its stylised version.

    The photos are the first ones of the folder that can be read, so that samples of different
    steps compare.
    """
    style = Style(net=trainer.averaged_net())
    readable = [photo for photo in trainer.crops.paths if photo not in trainer.crops.skipped]
    columns = []
    for photo_path in readable[:PHOTOS]:
        photo = open_photo(photo_path).resized(SIDE)
        columns.append(_square(np.concatenate([photo.rgb, style(photo).rgb]), 2 * SIDE, SIDE))
    sheet = Photo(rgb=np.concatenate(columns, axis=1), alpha=None, exif=None)
    save_photo(sheet, path, overwrite=True)


def _square(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pad with white, at the bottom and on the right."""
    missing = ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0))
    return np.pad(pixels, missing, constant_values=1.0)
