"""The training photos: shuffled, cropped and mirrored the same way for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylezoo.errors import ImageError, TrainingError
from stylezoo.images import Photo, find_photos, open_photo

# How much larger than the crop to make a photo's shorter side: room to move the crop around.
ROOM = 1.17

# How much larger to read a photo than it is then made: a camera's need not be read in full.
FINER = 2

# A crop of bare sky teaches nothing, and harms: instance norm divides by a deviation of nearly
# zero, layer after layer, and its gradient drowns out the others or overflows.
LEAST_CONTRAST = 0.02  # standard deviation of a channel, of values in [0, 1]
TRIES = 8

GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "F")


class PhotoCrops:
    """Batches of square crops. A batch depends only on the seed and its number.

    A photo that is unreadable, tiny, grey or CMYK is replaced by the next one and listed in
    ``skipped``.

    Args:
        folder: the photos.
        crop_sizes: side of a crop, in pixels; batches cycle through them.
        batch_size: crops in a batch.
        seed: of order, position and mirroring.
        half_until: batches before this one have crops of half the side, from photos of the same
            size.

    Raises:
        ImageError: the folder is missing or holds no photo.
        TrainingError: it holds fewer photos than a batch.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        crop_sizes: Sequence[int],
        batch_size: int,
        seed: int,
        half_until: int = 0,
    ) -> None:
        self.paths = find_photos(folder)
        if len(self.paths) < batch_size:
            raise TrainingError(
                f"{folder} holds {len(self.paths)} photos, fewer than a batch of {batch_size}; "
                "add photos (a few hundred make a good style), or choose a smaller batch"
            )
        self.crop_sizes = tuple(crop_sizes)
        self.batch_size = batch_size
        self.seed = seed
        self.half_until = half_until
        self.skipped: dict[Path, str] = {}

    def batch(self, number: int, places: Sequence[int] | None = None) -> Tensor:
        """Make one batch: (batch_size, 3, side, side) in [0, 1].

        Args:
            number: of the batch, from 0.
            places: positions in the batch, from 0, to make crops for; None for all.

        Raises:
            TrainingError: no photo is usable.
        """
        first = number * self.batch_size
        full = self.crop_sizes[number % len(self.crop_sizes)]
        side = full // 2 if number < self.half_until else full
        wanted = range(self.batch_size) if places is None else places
        return torch.stack([self._crop(first + place, full, side) for place in wanted])

    def first(self, count: int) -> list[Path]:
        """Return the first usable photos of the folder, at most ``count``.

        Raises:
            TrainingError: no photo is usable.
        """
        found: list[Path] = []
        for path in self.paths:
            if len(found) < count and self._open(path, max(self.crop_sizes)) is not None:
                found.append(path)
        if not found:
            raise self._none_usable()
        return found

    def _crop(self, index: int, full: int, side: int) -> Tensor:
        random = np.random.default_rng([self.seed, index, 0])
        epoch, place = divmod(index, len(self.paths))
        order = np.random.default_rng([self.seed, epoch, 1]).permutation(len(self.paths))
        pixels = self._first_readable(np.roll(order, -place), full)
        height, width = pixels.shape[:2]
        for _ in range(TRIES):
            top = random.integers(height - side + 1)
            left = random.integers(width - side + 1)
            crop = pixels[top : top + side, left : left + side]
            if np.max(crop.std(axis=(0, 1))) >= LEAST_CONTRAST:
                break
        if random.random() < 0.5:
            crop = crop[:, ::-1]
        return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1)))

    def _first_readable(self, order: np.ndarray, full: int) -> np.ndarray:
        for position in order:
            photo = self._open(self.paths[position], full)
            if photo is not None:
                height, width = photo.rgb.shape[:2]
                scale = full * ROOM / min(height, width)
                return photo.resized(max(round(max(height, width) * scale), full)).rgb
        raise self._none_usable()

    def _open(self, path: Path, full: int) -> Photo | None:
        """Open a photo for crops of this side before halving; None if it is unusable."""
        if path in self.skipped:
            return None
        try:
            _check_usable(path, min(self.crop_sizes) // 2)
            return open_photo(path, least_side=round(full * ROOM * FINER))
        except ImageError as error:
            self.skipped[path] = str(error)
            return None

    def _none_usable(self) -> TrainingError:
        return TrainingError(
            f"none of the {len(self.paths)} photos can be used; the first problem: "
            f"{next(iter(self.skipped.values()))}"
        )


def _check_usable(path: Path, smallest: int) -> None:
    """Refuse a photo that, by its header, would teach nothing or the wrong colours.

    Raises:
        ImageError: the photo is unusable.
    """
    try:
        with Image.open(path) as image:
            mode, size = image.mode, image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return  # open_photo says what is wrong with it
    if min(size) < smallest:
        raise ImageError(f"{path} is tiny: {size[0]} × {size[1]} pixels")
    if mode in GREY_MODES:
        raise ImageError(f"{path} is grey")
    if mode == "CMYK":
        raise ImageError(f"{path} is CMYK, the colours of print")
