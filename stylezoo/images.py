"""Read and write photos: any file from a camera, scanner or editor becomes sRGB in [0, 1].

Orientation is applied, colour profiles are converted to sRGB, alpha is kept separate, and grey of
more than 8 bits keeps its depth until a file is written; colours are read with 8 bits a channel.
"""

from __future__ import annotations

import io
import stat
import struct
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from stylezoo.errors import ImageError, OptionError, OutputError
from stylezoo.exif import descriptive_exif, exif_of_tiff, upright
from stylezoo.files import write_file
from stylezoo.process_setting import ProcessSetting

Pixels = npt.NDArray[np.float32]

# No EPS, PDF and the like: Pillow would start other programs to read them.
READ_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF", "GIF", "PPM")
IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".gif", ".ppm")
)
WRITE_FORMATS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif"}
_FORMAT_OF_SUFFIX = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
}

# Pillow's own limit against decompression bombs, which it only warns of up to twice that size.
DEFAULT_MAX_PIXELS = 89_478_485
_PILLOW_LIMIT = ProcessSetting(
    lambda: Image.MAX_IMAGE_PIXELS, partial(setattr, Image, "MAX_IMAGE_PIXELS")
)
DEFAULT_QUALITY = 95
# What Pillow raises on broken files, depending on the format.
_BROKEN_FILE = (
    *(OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, KeyError, RuntimeError),
    struct.error,
)
_JPEG_EXIF_LIMIT = 65533  # bytes: a segment's length takes 16 bits, and counts itself
_LARGEST_OF_UNIT_SCALE = 2  # floats: anything above twice white is on another scale
_SMALLEST_ALPHA = 0.5 / 255  # anything less is written as transparent


class ImageWarning(UserWarning):
    """A picture was read or written, but something about it was ignored."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Photo:
    """A picture in memory.

    Attributes:
        rgb: (H, W, 3) float32, sRGB in [0, 1].
        alpha: (H, W) float32 in [0, 1], 1 for opaque; None for a picture without alpha.
        exif: the EXIF data that describes the photo, without orientation, layout and colour
            space; None if absent.
    """

    rgb: Pixels
    alpha: Pixels | None = None
    exif: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]

    def resized(self, longest_side: int) -> Photo:
        """Scale up or down with Lanczos so that the longer side has this many pixels.

        The colours of transparent pixels do not bleed into the edges of visible ones.

        Raises:
            OptionError: ``longest_side`` is less than 1.
        """
        if longest_side < 1:
            raise OptionError(f"the size is {longest_side}; it must be 1 pixel or more")
        width, height = self.size
        scale = longest_side / max(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if size == self.size:
            return self
        rgb, alpha = _resize(self.rgb, size), None
        if self.alpha is not None:
            opacity = _resize(self.alpha[..., None], size)
            weighted = _resize(self.rgb * self.alpha[..., None], size)
            np.divide(weighted, opacity, out=rgb, where=opacity >= _SMALLEST_ALPHA)
            alpha = opacity[..., 0].clip(0, 1)
        return Photo(rgb=rgb.clip(0, 1), alpha=alpha, exif=self.exif)  # Lanczos overshoots at edges

    def to_pil(self) -> Image.Image:
        """The picture with 8 bits a channel: RGB, or RGBA if it has alpha."""
        image = Image.fromarray(_to_bytes(self.rgb))
        if self.alpha is not None:
            image.putalpha(Image.fromarray(_to_bytes(self.alpha)))
        return image

    def on_white(self) -> Image.Image:
        """The picture as RGB with 8 bits a channel, on white if it has alpha."""
        image = self.to_pil()
        if self.alpha is None:
            return image
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")


def open_photo(
    source: str | Path | bytes | BinaryIO | Image.Image,
    *,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
    least_side: int | None = None,
) -> Photo:
    """Read a picture.

    Args:
        source: a path, the bytes of a file, an open file, or a PIL image.
        max_pixels: reject larger pictures, which can be decompression bombs; None for no limit.
        least_side: read a JPEG at a half, a quarter or an eighth of its size, in a fraction of the
            time, if its shorter side still has this many pixels. None for full size.

    Returns:
        The picture. For an animation, the first frame, with an ImageWarning.

    Raises:
        ImageError: it is missing, broken, of no known format, or too large.
        OptionError: ``source`` is of no supported type.
    """
    if not (isinstance(source, str | Path | bytes | Image.Image) or hasattr(source, "read")):
        raise OptionError(
            f"a picture must be a path, the bytes of a file, an open file or a PIL image, not "
            f"{type(source).__name__}"
        )
    name = str(source) if isinstance(source, str | Path) else "the image"
    try:
        if isinstance(source, Image.Image):
            return _from_pil(source, name)
        # open_photo has its own limit.
        with _PILLOW_LIMIT.at(None), _open(source, name) as image:
            width, height = image.size
            if max_pixels is not None and width * height > max_pixels:
                raise ImageError(
                    f"{name} has {width} × {height} pixels, more than the limit of {max_pixels}; "
                    "make it smaller, or, if you trust it, lift the limit with --max-pixels 0 "
                    "(stylezoo apply) or max_pixels=None (open_photo)"
                )
            if least_side is not None:
                image.draft(None, (least_side, least_side))
            return _from_pil(image, name)
    except ImageError:
        raise
    except _BROKEN_FILE as error:
        raise ImageError(f"{name} is broken: {error or type(error).__name__}") from error
    except MemoryError as error:
        raise ImageError(f"{name} does not fit into memory") from error


def _open(source: str | Path | bytes | BinaryIO, name: str) -> Image.Image:
    if isinstance(source, str | Path):
        source = _readable(Path(source), name)
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        return Image.open(file, formats=READ_FORMATS)
    except UnidentifiedImageError as error:
        if name.lower().endswith((".heic", ".heif")):
            raise ImageError(
                f"{name} is HEIC, which is not supported; convert it to JPEG"
            ) from error
        raise ImageError(
            f"{name} cannot be read as a picture; supported formats: {', '.join(READ_FORMATS)}"
        ) from error
    except PermissionError as error:
        raise ImageError(f"{name} cannot be read: {error.strerror}") from error


def _readable(path: Path, name: str) -> Path | bytes:
    """Return the path of a file, or the content of a pipe, as Pillow seeks in a file.

    Raises:
        ImageError: it cannot hold a picture.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{name} is a folder, not a picture")
        if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            raise ImageError(f"{name} is a device, not a picture")
        piped = None if stat.S_ISREG(status.st_mode) else path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"{name} does not exist; check the path") from error
    except OSError as error:  # a folder without permission, a link to itself
        raise ImageError(f"{name} cannot be read: {error.strerror}") from error
    if (status.st_size if piped is None else len(piped)) == 0:
        raise ImageError(f"{name} is empty")
    return path if piped is None else piped


def _from_pil(image: Image.Image, name: str) -> Photo:
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        warnings.warn(
            f"{name} has several frames; only the first is used", ImageWarning, stacklevel=3
        )
    image.load()
    profile = image.info.get("icc_profile")
    white_is_zero = _is_white_zero(image)
    exif = descriptive_exif(image)
    image = upright(image)
    if 0 in image.size:
        raise ImageError(f"{name} has no pixels: {image.width} × {image.height}")
    deep = _deep_grey(image, name)
    if deep is not None:
        rgb = _grey_to_srgb(1 - deep if white_is_zero else deep, profile, name)
        return Photo(rgb=rgb, alpha=_deep_alpha(image), exif=exif)
    alpha = None
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("L", "LA", "La") else "RGBA")
        bands = image.getchannel("A")
        alpha = _to_floats(np.asarray(bands))
        image = image.convert("L" if image.mode == "LA" else "RGB")
    rgb = _to_floats(np.asarray(_to_srgb(image, profile, name)))
    return Photo(rgb=rgb, alpha=alpha, exif=exif)


def _is_white_zero(image: Image.Image) -> bool:
    """Whether 0 is white in a TIFF, which Pillow handles only with 8 bits."""
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(ExifTags.Base.PhotometricInterpretation) == 0)


def _deep_grey(image: Image.Image, name: str) -> Pixels | None:
    """The values of a grey picture of more than 8 bits, which Pillow's convert would clip."""
    if image.mode.startswith("I"):
        values: Pixels = np.asarray(image).astype(np.float32) / np.float32(65535)
    elif image.mode == "F":
        values = _float_grey(np.asarray(image), name)
    else:
        return None
    return np.clip(values, 0, 1).astype(np.float32, copy=False)


def _float_grey(values: Pixels, name: str) -> Pixels:
    """Scale floats so that white is 1; files do not say whether theirs is 1, 255 or 65535.

    Infinite values become black or white, and NaN becomes black.
    """
    largest = float(values[np.isfinite(values)].max(initial=0))
    if largest > _LARGEST_OF_UNIT_SCALE:
        values = values / np.float32(255 if largest <= 255 else 65535)
    if np.isnan(values).any():
        warnings.warn(
            f"{name} has pixels that are not numbers (NaN); they are treated as black",
            ImageWarning,
            stacklevel=5,
        )
    return np.nan_to_num(values, nan=0, posinf=1, neginf=0)


def _deep_alpha(image: Image.Image) -> Pixels | None:
    """The alpha of a 16-bit grey PNG, where one value can mean transparent."""
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return None
    opaque: Pixels = (np.asarray(image) != transparent).astype(np.float32)
    return opaque


def _grey_to_srgb(values: Pixels, profile: bytes | None, name: str) -> Pixels:
    """Grey values in [0, 1] as sRGB: (H, W) to (H, W, 3)."""
    if not profile:
        return np.repeat(values[..., None], 3, axis=2)
    # LittleCMS takes 8 bits here: convert a ramp, and interpolate between its steps.
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    converted = _to_floats(np.asarray(_to_srgb(ramp, profile, name)))[0]
    steps = np.arange(256) / 255
    channels = [np.interp(values, steps, converted[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=2).astype(np.float32)


def _to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    if image.mode in ("P", "1", "PA"):
        image = image.convert("RGB")
    if profile:
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                image, embedded, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            assert converted is not None  # None only when converting in place
            return converted
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            warnings.warn(
                f"{name} has a colour profile that cannot be used ({error}); sRGB is assumed",
                ImageWarning,
                stacklevel=4,
            )
    return image.convert("RGB")


def find_photos(folder: str | Path) -> list[Path]:
    """The pictures in a folder, by suffix, sorted by name; subfolders are not searched.

    Raises:
        ImageError: the folder does not exist, cannot be read, or holds no pictures.
    """
    try:
        paths = sorted(Path(folder).iterdir())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(f"{folder} is not a folder") from error
    except OSError as error:
        raise ImageError(f"the folder {folder} cannot be read: {error.strerror}") from error
    photos = [
        path
        for path in paths
        if is_picture_name(path) and not path.name.startswith(".") and _may_be_file(path)
    ]
    if not photos:
        raise ImageError(
            f"{folder} holds no pictures; subfolders are not searched, and supported suffixes are "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return photos


def is_picture_name(path: Path) -> bool:
    """Whether a path has the suffix of a picture."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def _may_be_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:  # a dangling link: reading it reports the error
        return True


def format_of(path: Path) -> str:
    """The format to write for a path, by its suffix.

    Raises:
        OptionError: the suffix belongs to no format.
    """
    try:
        return _FORMAT_OF_SUFFIX[path.suffix.lower()]
    except KeyError:
        raise OptionError(
            f"{path} has the suffix {path.suffix!r}; use one of {', '.join(_FORMAT_OF_SUFFIX)}"
        ) from None


def encode_photo(photo: Photo, *, format: str, quality: int | None = None) -> bytes:
    """Encode a picture with 8 bits a channel, its EXIF, and no profile, which implies sRGB.

    JPEG has no alpha, so the picture is laid on white. Nor does it hold more than 64 kB of EXIF:
    a longer block is left out, with an ImageWarning.

    Args:
        photo: the picture.
        format: ``"png"``, ``"jpeg"``, ``"webp"`` or ``"tiff"``.
        quality: quality of JPEG and WebP, from 1 to 100; None for 95.

    Raises:
        OptionError: the format or quality is not one of these.
        OutputError: the format cannot hold the picture.
    """
    if format not in WRITE_FORMATS:
        raise OptionError(f"the format is {format!r}; it must be one of {', '.join(WRITE_FORMATS)}")
    if quality is not None and not 1 <= quality <= 100:
        raise OptionError(f"the quality is {quality}; it must be from 1 to 100")
    image = photo.on_white() if format == "jpeg" else photo.to_pil()
    buffer = io.BytesIO()
    options: dict[str, object] = {}
    if format in ("jpeg", "webp"):
        options["quality"] = quality or DEFAULT_QUALITY
    if format == "jpeg":
        options["subsampling"] = 0  # full colour resolution: strokes are small and colourful
    if photo.exif is not None and format == "jpeg" and len(photo.exif) > _JPEG_EXIF_LIMIT:
        warnings.warn(
            f"{len(photo.exif)} bytes of EXIF do not fit into a JPEG file, so it is "
            "written without them; png, webp and tiff can hold them",
            ImageWarning,
            stacklevel=2,
        )
    elif photo.exif is not None:
        options["exif"] = exif_of_tiff(photo.exif) if format == "tiff" else photo.exif
    try:
        image.save(buffer, format=format, **options)
    except (OSError, ValueError) as error:
        width, height = photo.size
        raise OutputError(
            f"{width} × {height} pixels cannot be written as {format}: {error}; "
            "choose another format"
        ) from error
    return buffer.getvalue()


def save_photo(
    photo: Photo,
    path: str | Path,
    *,
    format: str | None = None,
    quality: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write a picture to a file, which appears complete or not at all.

    Args:
        photo: the picture.
        path: path of the file.
        format: see ``encode_photo``; None to derive it from the suffix.
        quality: see ``encode_photo``.
        overwrite: whether an existing file may be replaced.

    Raises:
        OptionError: see ``encode_photo``; or the suffix belongs to no format.
        OutputError: the file exists, or the picture cannot be written.
    """
    path = Path(path)
    write_file(
        path,
        encode_photo(photo, format=format or format_of(path), quality=quality),
        overwrite=overwrite,
    )


def _resize(values: Pixels, size: tuple[int, int]) -> Pixels:
    """(H, W, C) to (height, width, C); the size is width and height."""
    channels = [
        Image.fromarray(values[..., c]).resize(size, Image.Resampling.LANCZOS)
        for c in range(values.shape[-1])
    ]
    return np.stack([np.asarray(channel, dtype=np.float32) for channel in channels], axis=-1)


def _to_floats(values: npt.NDArray[np.uint8]) -> Pixels:
    return values.astype(np.float32) / np.float32(255)


def _to_bytes(values: Pixels) -> npt.NDArray[np.uint8]:
    rounded: npt.NDArray[np.uint8] = (np.clip(values, 0, 1) * 255).round().astype(np.uint8)
    return rounded
