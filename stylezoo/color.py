"""Colour: keep the photo's colours, paint with them, and blend photo and styled picture.

The methods of keeping colours are those of Gatys et al. 2016, "Preserving color in neural artistic
style transfer" (arXiv 1606.05897).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stylezoo.images import Pixels

# Luma of ITU-R BT.601: the Y of JPEG and of the YIQ space.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

MINIMUM_DEVIATION = 1e-4  # a fortieth of an 8-bit step


def keep_color(styled: Pixels, photo: Pixels) -> Pixels:
    """Combine the luminance of the styled picture with the colours of the photo.

    Adding one number to all three channels changes the luma by that number and leaves the two
    colour differences as they are: Gatys et al. 2016, section 4, luminance-only transfer.

    Args:
        styled: (H, W, 3) in [0, 1].
        photo: the same shape.

    Returns:
        The same shape, in [0, 1].
    """
    difference = (styled - photo) @ LUMA
    return np.clip(photo + difference[..., None], 0, 1)


def grey(pixels: Pixels) -> Pixels:
    """The luminance as a picture of three equal channels: (H, W, 3) to the same shape."""
    return np.repeat((pixels @ LUMA)[..., None], 3, axis=2)


def match_luminance(painting: Pixels, photo: Pixels) -> Pixels:
    """The painting in grey, with the mean and deviation of the photo's luminance.

    Gatys et al. 2016, equation 10: where only luminance is transferred, photo and painting must
    not differ in brightness.

    Args:
        painting: (H, W, 3) in [0, 1].
        photo: (h, w, 3) in [0, 1].

    Returns:
        The shape of the painting, in [0, 1].
    """
    source, target = grey(painting), grey(photo)
    deviation = max(float(source.std()), MINIMUM_DEVIATION)
    matched = (source - source.mean()) * (target.std() / deviation) + target.mean()
    clipped: Pixels = np.clip(matched, 0, 1).astype(np.float32)
    return clipped


def match_covariance(painting: Pixels, photo: Pixels) -> Pixels:
    """The painting with the mean colour and colour covariance of the photo.

    Gatys et al. 2016, section 3: a linear map that makes both moments equal; of the many possible,
    the one of Image Analogies, equation 8, C_photo^½ C_painting^-½.

    Args:
        painting: (H, W, 3) in [0, 1].
        photo: (h, w, 3) in [0, 1].

    Returns:
        The shape of the painting, in [0, 1].
    """
    source, target = (x.reshape(-1, 3).astype(np.float64) for x in (painting, photo))
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    recolour = _power(np.cov(target.T, bias=True), 0.5) @ _power(np.cov(source.T, bias=True), -0.5)
    matched = (source - source_mean) @ recolour.T + target_mean
    clipped: Pixels = np.clip(matched, 0, 1).astype(np.float32)
    return clipped.reshape(painting.shape)


def match_histogram(painting: Pixels, photo: Pixels) -> Pixels:
    """Match the histogram of each channel of the painting to that of the photo.

    Args:
        painting: (H, W, 3) in [0, 1].
        photo: (h, w, 3) in [0, 1].

    Returns:
        The shape of the painting, in [0, 1].
    """
    channels = [_match_channel(painting[..., c], photo[..., c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _match_channel(source: Pixels, target: Pixels) -> npt.NDArray[np.float64]:
    _, places, counts = np.unique(source, return_inverse=True, return_counts=True)
    values, target_counts = np.unique(target, return_counts=True)
    quantiles = np.cumsum(counts) / source.size
    matched = np.interp(quantiles, np.cumsum(target_counts) / target.size, values)
    mapped: npt.NDArray[np.float64] = np.asarray(matched[places]).reshape(source.shape)
    return mapped


def _power(covariance: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    """A power of a symmetric matrix; constant colours are treated as varying slightly."""
    values, vectors = np.linalg.eigh(covariance)
    scaled = vectors * np.maximum(values, MINIMUM_DEVIATION**2) ** exponent
    power: npt.NDArray[np.float64] = scaled @ vectors.T
    return power


def blend(photo: Pixels, styled: Pixels, strength: float) -> Pixels:
    """Mix the two: 0 gives the photo, 1 the styled picture.

    Args:
        photo: (H, W, 3) in [0, 1].
        styled: the same shape.
        strength: from 0 to 1.

    Returns:
        The same shape.
    """
    if strength == 1:
        return styled
    return (photo + np.float32(strength) * (styled - photo)).astype(np.float32)
