"""The pictures of an optimisation: photo, paintings, masks and starting image, at one size."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylezoo.color import grey, match_covariance, match_histogram, match_luminance
from stylezoo.errors import OptionError
from stylezoo.images import Photo, Pixels, open_photo
from stylezoo.loading import load
from stylezoo.optimization.config import OptimizationConfig
from stylezoo.region import Region

STYLE_START = "style:"


@dataclass(frozen=True, kw_only=True)
class StyleInput:
    """A painting and where it goes.

    Attributes:
        painting: the picture.
        share: of the style weight, relative to the other styles.
        content_mask: white where the picture takes this style; None for everywhere.
        painting_mask: white where the painting shows the style; None for everywhere.
    """

    painting: Photo
    share: float = 1.0
    content_mask: Photo | None = None
    painting_mask: Photo | None = None

    def __post_init__(self) -> None:
        if self.painting_mask is not None:
            _check_mask(self.painting_mask, self.painting, "painting")


Picture = str | Path | Photo | Image.Image
Painting = Picture | StyleInput


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All pictures that an optimisation starts from.

    Attributes:
        content: the photo; the result has its proportions.
        styles: empty to reconstruct the content alone.

    Raises:
        OptionError: a mask does not have the proportions of its picture.
    """

    content: Photo
    styles: tuple[StyleInput, ...]

    def __post_init__(self) -> None:
        for style in self.styles:
            if style.content_mask is not None:
                _check_mask(style.content_mask, self.content, "photo")

    def fingerprint(self) -> str:
        """A hash of every pixel."""
        digest = hashlib.sha256()
        for style in self.styles:
            digest.update(repr(style.share).encode())
            for photo in (style.painting, style.content_mask, style.painting_mask):
                digest.update(b"none" if photo is None else photo.rgb.tobytes())
        digest.update(self.content.rgb.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class LevelInputs:
    """The pictures at the size of one level, as tensors (1, 3, H, W) in [0, 1].

    Attributes:
        photo: with its original colours.
        content: what the content term compares with.
        paintings: what the style terms compare with.
        content_regions: one per style; None for everywhere.
        painting_regions: one per style; None for everywhere.
    """

    photo: Photo
    content: Tensor
    paintings: list[Tensor]
    content_regions: list[Region | None]
    painting_regions: list[Region | None]


def at_level(inputs: Inputs, config: OptimizationConfig, size: int) -> LevelInputs:
    """Scale all pictures to a level's size, and adjust their colours as the config says."""
    photo = inputs.content.resized(size)
    painting_size = max(1, round(size * config.style_scale))
    paintings = [style.painting.resized(painting_size).rgb for style in inputs.styles]
    content = photo.rgb
    if config.preserve_color == "luminance":
        content = grey(content)
        paintings = [match_luminance(painting, photo.rgb) for painting in paintings]
    elif config.preserve_color == "covariance":
        paintings = [match_covariance(painting, photo.rgb) for painting in paintings]
    elif config.preserve_color == "histogram":
        paintings = [match_histogram(painting, photo.rgb) for painting in paintings]
    return LevelInputs(
        photo=photo,
        content=to_tensor(content),
        paintings=[to_tensor(painting) for painting in paintings],
        content_regions=[_region(style.content_mask) for style in inputs.styles],
        painting_regions=[_region(style.painting_mask) for style in inputs.styles],
    )


def starting_image(level: LevelInputs, config: OptimizationConfig) -> Tensor:
    """Where the first level starts: (1, 3, H, W) in [0, 1].

    Raises:
        ImageError: the picture that the config names cannot be read.
        StyleNotFoundError: there is no such style.
    """
    if config.start == "content":
        return level.content
    if config.start == "noise":
        generator = torch.Generator().manual_seed(config.seed)
        return torch.rand(level.content.shape, generator=generator)
    width, height = level.photo.size
    if config.start.startswith(STYLE_START):
        style = load(config.start.removeprefix(STYLE_START), device=config.device)
        return to_tensor(style(level.photo).rgb)
    picture = open_photo(config.start)
    return resize(to_tensor(picture.rgb), height, width).clamp(0, 1)


def resize(image: Tensor, height: int, width: int) -> Tensor:
    """Scale (1, 3, h, w) to another size, with antialiasing; it may overshoot at edges."""
    return torch.nn.functional.interpolate(
        image, size=(height, width), mode="bicubic", antialias=True
    )


def to_tensor(pixels: Pixels) -> Tensor:
    """(H, W, 3) as (1, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).unsqueeze(0)


def to_pixels(image: Tensor) -> Pixels:
    """(1, 3, H, W) as (H, W, 3)."""
    pixels: Pixels = image[0].cpu().numpy().transpose(1, 2, 0)
    return np.ascontiguousarray(pixels)


def as_photo(picture: Picture) -> Photo:
    """The Photo itself, or what ``open_photo`` reads."""
    return picture if isinstance(picture, Photo) else open_photo(picture)


def style_inputs(styles: Painting | Sequence[Painting]) -> tuple[StyleInput, ...]:
    """Read a painting, or several; a path may end in a share.

    Raises:
        ImageError: a picture cannot be read.
        OptionError: one is of an unsupported type.
    """
    if isinstance(styles, str) or not isinstance(styles, Sequence):
        return (_style_input(styles),)
    return tuple(_style_input(style) for style in styles)


def _style_input(style: Painting) -> StyleInput:
    if isinstance(style, StyleInput):
        return style
    if isinstance(style, str | Path):
        return paintings([str(style)])[0]
    return StyleInput(painting=as_photo(style))


def parse_share(text: str) -> tuple[Path, float]:
    """Split ``painting.jpg:0.3`` into the path and the share, by default 1.

    If the whole text is the path of a file, that file is meant.
    """
    name, colon, share = text.rpartition(":")
    if not colon or Path(text).exists():
        return Path(text), 1.0
    try:
        return Path(name), float(share)
    except ValueError:
        return Path(text), 1.0


def paintings(
    paths: Sequence[str],
    content_masks: Sequence[str | None] = (),
    painting_masks: Sequence[str | None] = (),
) -> tuple[StyleInput, ...]:
    """Read paintings with their shares and masks; the n-th mask belongs to the n-th painting.

    Raises:
        ImageError: a picture cannot be read.
        OptionError: there are more masks than paintings, or one does not fit its picture.
    """
    for masks in (content_masks, painting_masks):
        if len(masks) > len(paths):
            raise OptionError(
                f"there are more masks ({len(masks)}) than paintings ({len(paths)}); the first "
                "mask belongs to the first painting, and so on"
            )
    read = []
    for index, text in enumerate(paths):
        path, share = parse_share(text)
        read.append(
            StyleInput(
                painting=open_photo(path),
                share=share,
                content_mask=_open_mask(content_masks, index),
                painting_mask=_open_mask(painting_masks, index),
            )
        )
    return tuple(read)


def _open_mask(masks: Sequence[str | None], index: int) -> Photo | None:
    path = masks[index] if index < len(masks) else None
    return None if path is None else open_photo(path)


def _region(mask: Photo | None) -> Region | None:
    return None if mask is None else Region(torch.from_numpy(mask.rgb.mean(axis=2)))


def _check_mask(mask: Photo, picture: Photo, of: str) -> None:
    (mask_width, mask_height), (width, height) = mask.size, picture.size
    # A mask drawn on a smaller copy fits if it has the picture's proportions, up to rounding.
    if abs(mask_width * height - mask_height * width) > max(width, height):
        raise OptionError(
            f"a mask has {mask_width} × {mask_height} pixels, but its {of} has {width} × "
            f"{height}; draw it on the {of}, in the same proportions"
        )
