"""The photos to learn on: shuffled, cropped and mirrored the same way for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylezoo.errors import ImageError, TrainingError
from stylezoo.images import Photo, find_photos, open_photo

# How much larger than the crop a photo's shorter side is made: room to move the crop about.
ROOM = 1.17

# How much finer a photo is read than it is made then: a camera's need not be read in full.
FINER = 2

# A crop of bare sky teaches nothing, and harms: instance norm divides by a deviation of nearly
# zero, layer after layer, and its gradient drowns that of the others or overflows.
LEAST_CONTRAST = 0.02  # standard deviation of a channel, of values in [0, 1]
TRIES = 8

GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "F")


class PhotoCrops:
    """Batches of square crops. A batch depends on the seed and its number, and on nothing else.

    A photo that cannot be read, is tiny, grey or in the colours of print (CMYK) is replaced by
    the next one, and named in ``skipped``.

    Args:
        folder: the photos.
        crop_sizes: side of a crop, in pixels; the batches take turns.
        batch_size: crops in a batch.
        seed: of order, place and mirroring.
        half_until: the batches before this one have crops of half the side, of photos of the
            same size.

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
        """Make the batch of this number: (batch_size, 3, side, side) in [0, 1].

        Args:
            number: from 0.
            places: in the batch, from 0, to make the crops of; None for all.

        Raises:
            TrainingError: not one photo can be used.
        """
        first = number * self.batch_size
        full = self.crop_sizes[number % len(self.crop_sizes)]
        side = full // 2 if number < self.half_until else full
        wanted = range(self.batch_size) if places is None else places
        return torch.stack([self._crop(first + place, full, side) for place in wanted])

    def first(self, count: int) -> list[Path]:
        """Give the first photos of the folder that can be used, at most so many.

        Raises:
            TrainingError: not one can.
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
        """A photo for crops of this side before halving, or None."""
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
            f"not one of the {len(self.paths)} photos can be used; the first says: "
            f"{next(iter(self.skipped.values()))}"
        )


def _check_usable(path: Path, smallest: int) -> None:
    """Look at a photo's header: what teaches nothing, or the wrong colours, is left out.

    Raises:
        ImageError: it is no use.
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
