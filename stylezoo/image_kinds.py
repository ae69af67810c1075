"""The kinds of image a user may pass; each comes back as the same kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylezoo.errors import OptionError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Change = Callable[[np.ndarray], np.ndarray]


def change_image(image: Any, change: Change) -> Any:
    """Change the pixels of an image of any kind, and return the same kind.

    Args:
        image: a path (which returns a PIL image), a PIL image, a Photo, an ndarray (H, W, 3),
            uint8 or float in [0, 1], or a tensor (3, H, W) or (B, 3, H, W) in [0, 1].
        change: maps (H, W, 3) to (H, W, 3), float32 in [0, 1]; called once per image of a batch.

    Raises:
        OptionError: the image is none of these, or has the wrong shape, type or range.
        ImageError: the path does not lead to a picture.
    """
    import numpy as np
    import torch
    from PIL import Image

    from stylezoo.images import Photo, open_photo

    if isinstance(image, Photo):
        return Photo(rgb=change(image.rgb), alpha=image.alpha, exif=image.exif)
    if isinstance(image, str | Path | Image.Image):
        photo = open_photo(image)
        return Photo(rgb=change(photo.rgb), alpha=photo.alpha).to_pil()
    if isinstance(image, np.ndarray):
        return _from_floats(change(_to_floats(image)), image.dtype)
    if isinstance(image, torch.Tensor):
        return _change_tensor(image, change)
    raise OptionError(
        f"a style takes a path, PIL image, Photo, ndarray or tensor, not {type(image).__name__}"
    )


def _to_floats(image: np.ndarray) -> np.ndarray:
    import numpy as np

    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise OptionError(f"an ndarray must have the shape (H, W, 3), not {image.shape}")
    if image.dtype == np.uint8:
        return image.astype(np.float32) / 255
    if not np.issubdtype(image.dtype, np.floating):
        raise OptionError(f"an ndarray must be uint8 or float, not {image.dtype}")
    _check_range(float(image.min()), float(image.max()))
    return image.astype(np.float32)


def _from_floats(pixels: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    import numpy as np

    if dtype == np.uint8:
        return (pixels * 255).round().astype(np.uint8)
    return pixels.astype(dtype)


def _change_tensor(image: Tensor, change: Change) -> Tensor:
    import torch

    shape = tuple(image.shape)
    if image.ndim not in (3, 4) or shape[-3] != 3 or 0 in shape:
        raise OptionError(f"a tensor must have the shape (3, H, W) or (B, 3, H, W), not {shape}")
    if not image.is_floating_point():
        raise OptionError(f"a tensor must be float, in [0, 1], not {image.dtype}")
    pixels = image.detach()
    _check_range(float(pixels.min()), float(pixels.max()))
    batch = pixels.float().cpu().reshape(-1, *shape[-3:])
    styled = [
        torch.from_numpy(change(one.permute(1, 2, 0).numpy()).transpose(2, 0, 1)) for one in batch
    ]
    return torch.stack(styled).reshape(shape).to(device=image.device, dtype=image.dtype)


def _check_range(low: float, high: float) -> None:
    # Written so that NaN fails too.
    if not (low >= 0 and high <= 1):
        raise OptionError(
            f"the values run from {low:g} to {high:g}; floats must be in [0, 1] "
            "(divide by 255, or pass uint8)"
        )
