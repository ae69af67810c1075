"""The photos to learn on: shuffled, cropped and mirrored the same way for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylezoo.errors import ImageError, TrainingError
from stylezoo.images import find_photos, open_photo

# How much larger than the crop a photo's shorter side is made: room to move the crop about.
ROOM = 1.17


class PhotoCrops:
    """Batches of square crops. A batch depends on the seed and its number, and on nothing else.

    A photo that cannot be read is replaced by the next one, and named in ``skipped``.

    Args:
        folder: the photos.
        crop_size: side of a crop, in pixels.
        batch_size: crops in a batch.
        seed: of order, place and mirroring.

    Raises:
        ImageError: the folder is missing or holds no photo.
    """

    def __init__(self, folder: Path, *, crop_size: int, batch_size: int, seed: int) -> None:
        self.paths = find_photos(folder)
        self.crop_size = crop_size
        self.batch_size = batch_size
        self.seed = seed
        self.skipped: dict[Path, str] = {}

    def batch(self, number: int) -> Tensor:
        """Make the batch of this number: (batch_size, 3, crop_size, crop_size) in [0, 1].

        Raises:
            TrainingError: not one photo can be read.
        """
        random = np.random.default_rng([self.seed, number])
        first = number * self.batch_size
        crops = [self._crop(first + i, random) for i in range(self.batch_size)]
        return torch.stack(crops)

    def _crop(self, index: int, random: np.random.Generator) -> Tensor:
        epoch, place = divmod(index, len(self.paths))
        order = np.random.default_rng([self.seed, epoch, 1]).permutation(len(self.paths))
        pixels = self._first_readable(np.roll(order, -place))
        height, width = pixels.shape[:2]
        top = random.integers(height - self.crop_size + 1)
        left = random.integers(width - self.crop_size + 1)
        crop = pixels[top : top + self.crop_size, left : left + self.crop_size]
        if random.random() < 0.5:
            crop = crop[:, ::-1]
        return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1)))

    def _first_readable(self, order: np.ndarray) -> np.ndarray:
        for position in order:
            path = self.paths[position]
            if path in self.skipped:
                continue
            try:
                photo = open_photo(path)
            except ImageError as error:
                self.skipped[path] = str(error)
                continue
            height, width = photo.rgb.shape[:2]
            scale = self.crop_size * ROOM / min(height, width)
            return photo.resized(max(round(max(height, width) * scale), self.crop_size)).rgb
        raise TrainingError(
            f"not one of the {len(self.paths)} photos can be read; the first says: "
            f"{next(iter(self.skipped.values()))}"
        )
