"""Photos in and out: any file a camera, scanner or editor writes becomes sRGB in [0, 1].

Orientation is applied, colour profiles are converted to sRGB, alpha is kept apart, and 16 bits
stay 16 bits until a file is written.
"""

from __future__ import annotations

import io
import stat
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from stylezoo.errors import ImageError, OptionError, OutputError
from stylezoo.files import write_file
from stylezoo.process_setting import ProcessSetting

Pixels = npt.NDArray[np.float32]

# No EPS, PDF or the like among them: Pillow would start other programs to read those.
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


DESCRIPTIVE_TAGS = frozenset(
    (
        ExifTags.Base.ImageDescription,
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.XResolution,
        ExifTags.Base.YResolution,
        ExifTags.Base.ResolutionUnit,
        ExifTags.Base.Software,
        ExifTags.Base.DateTime,
        ExifTags.Base.Artist,
        ExifTags.Base.HostComputer,
        ExifTags.Base.Rating,
        ExifTags.Base.Copyright,
        ExifTags.Base.XPTitle,
        ExifTags.Base.XPComment,
        ExifTags.Base.XPAuthor,
        ExifTags.Base.XPKeywords,
        ExifTags.Base.XPSubject,
        ExifTags.IFD.Exif,
        ExifTags.IFD.GPSInfo,
    )
)


class ImageWarning(UserWarning):
    """A picture was read, but something about it was passed over."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Photo:
    """A picture in memory.

    Attributes:
        rgb: (H, W, 3) float32, sRGB in [0, 1].
        alpha: (H, W) float32 in [0, 1], 1 for opaque; None for a picture without.
        exif: what the EXIF block says of the photo, without orientation and layout; None for none.
    """

    rgb: Pixels
    alpha: Pixels | None = None
    exif: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]

    def resized(self, longest_side: int) -> Photo:
        """Scale so that the longer side has this many pixels, up or down, by Lanczos.

        Raises:
            OptionError: it is less than 1.
        """
        if longest_side < 1:
            raise OptionError(f"the size is {longest_side}; it must be 1 pixel or more")
        width, height = self.size
        scale = longest_side / max(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if size == self.size:
            return self
        return Photo(
            rgb=np.stack([_resize(self.rgb[..., c], size) for c in range(3)], axis=-1),
            alpha=None if self.alpha is None else _resize(self.alpha, size),
            exif=self.exif,
        )

    def to_pil(self) -> Image.Image:
        """The picture with 8 bits a channel: RGB, or RGBA if it has alpha."""
        image = Image.fromarray(_to_bytes(self.rgb))
        if self.alpha is not None:
            image.putalpha(Image.fromarray(_to_bytes(self.alpha)))
        return image


def open_photo(
    source: str | Path | bytes | BinaryIO | Image.Image,
    *,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
) -> Photo:
    """Read a picture.

    Args:
        source: a path, the bytes of a file, an open file, or a PIL image.
        max_pixels: refuse larger pictures, which can be decompression bombs; None for no limit.

    Returns:
        The picture. Of an animation, the first frame, with an ImageWarning.

    Raises:
        ImageError: it is missing, broken, of no known format, or too large.
        OptionError: it is none of these.
    """
    if not (isinstance(source, str | Path | bytes | Image.Image) or hasattr(source, "read")):
        raise OptionError(
            f"a picture is a path, the bytes of a file, an open file or a PIL image, not of the "
            f"type {type(source).__name__}"
        )
    name = str(source) if isinstance(source, str | Path) else "the image"
    try:
        if isinstance(source, Image.Image):
            return _from_pil(source, name)
        # open_photo has a limit of its own.
        with _PILLOW_LIMIT.at(None), _open(source, name) as image:
            width, height = image.size
            if max_pixels is not None and width * height > max_pixels:
                raise ImageError(
                    f"{name} has {width} × {height} pixels, more than the limit of {max_pixels}; "
                    "make it smaller, or if you trust it, lift the limit, which 'stylezoo apply' "
                    "does with --max-pixels 0, and open_photo with max_pixels=None"
                )
            return _from_pil(image, name)
    except ImageError:
        raise
    # What Pillow raises for broken files of one format or another.
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, KeyError) as error:
        raise ImageError(f"{name} is broken: {error or type(error).__name__}") from error
    except MemoryError as error:
        raise ImageError(f"{name} does not fit into memory") from error


def _open(source: str | Path | bytes | BinaryIO, name: str) -> Image.Image:
    if isinstance(source, str | Path):
        try:
            status = Path(source).stat()
        except FileNotFoundError as error:
            raise ImageError(f"{name} does not exist") from error
        except OSError as error:  # a folder that may not be entered, a link to itself
            raise ImageError(f"{name} cannot be read: {error.strerror}") from error
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{name} is a folder, not a picture")
        if status.st_size == 0:
            raise ImageError(f"{name} is empty")
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        return Image.open(file, formats=READ_FORMATS)
    except UnidentifiedImageError as error:
        if name.lower().endswith((".heic", ".heif")):
            raise ImageError(f"{name} is HEIC, which is not read; convert it to JPEG") from error
        raise ImageError(
            f"{name} is no picture that can be read (known: {', '.join(READ_FORMATS)})"
        ) from error
    except PermissionError as error:
        raise ImageError(f"{name} may not be read: {error.strerror}") from error


def _from_pil(image: Image.Image, name: str) -> Photo:
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        warnings.warn(f"{name} has several frames; the first is taken", ImageWarning, stacklevel=3)
    image.load()
    profile = image.info.get("icc_profile")
    white_is_zero = _is_white_zero(image)
    image = ImageOps.exif_transpose(image)
    exif = _descriptive_exif(image)
    if 0 in image.size:
        raise ImageError(f"{name} has no pixels: {image.width} × {image.height}")
    deep = _deep_grey(image)
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
    """Whether a TIFF counts from white to black, which Pillow heeds in one of 8 bits alone."""
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(ExifTags.Base.PhotometricInterpretation) == 0)


def _deep_grey(image: Image.Image) -> Pixels | None:
    """The values of a grey picture with more than 8 bits, which Pillow's convert would clip."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float32) / 65535
    elif image.mode == "F":
        values = np.asarray(image).astype(np.float32)
        largest = float(np.nanmax(values)) if values.size else 0.0
        if largest > 1:
            values = values / (255 if largest <= 255 else 65535)
    else:
        return None
    return np.clip(np.nan_to_num(values), 0, 1).astype(np.float32, copy=False)


def _deep_alpha(image: Image.Image) -> Pixels | None:
    """Of a grey PNG with 16 bits: one value can be the transparent one."""
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return None
    opaque: Pixels = (np.asarray(image) != transparent).astype(np.float32)
    return opaque


def _grey_to_srgb(values: Pixels, profile: bytes | None, name: str) -> Pixels:
    """Grey values in [0, 1] as sRGB: (H, W) to (H, W, 3)."""
    if not profile:
        return np.repeat(values[..., None], 3, axis=2)
    # LittleCMS takes 8 bits here: it converts a ramp, and the values lie between its steps.
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
            assert converted is not None  # in place only if asked for
            return converted
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            warnings.warn(
                f"{name} has a colour profile that cannot be used ({error}); it is taken as sRGB",
                ImageWarning,
                stacklevel=4,
            )
    return image.convert("RGB")


def _descriptive_exif(image: Image.Image) -> bytes | None:
    """What the EXIF block says of the photo, without what it says of the file it was in.

    A camera's JPEG may hold tags for strips, compression or size; a TIFF that is written with
    them cannot be read again. The orientation is applied already.
    """
    try:
        exif = image.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        for tag in set(exif) - DESCRIPTIVE_TAGS:
            del exif[tag]
        for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight):
            details.pop(tag, None)
        return exif.tobytes() if exif else None
    except (ValueError, SyntaxError, TypeError, KeyError, OSError):
        # A broken EXIF block is no reason to refuse a sound picture.
        return None


def find_photos(folder: str | Path) -> list[Path]:
    """The pictures of a folder, by their suffix, sorted by name; not those of its subfolders.

    Raises:
        ImageError: the folder does not exist, cannot be read, or holds none.
    """
    try:
        paths = sorted(Path(folder).iterdir())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(f"{folder} is no folder") from error
    except OSError as error:
        raise ImageError(f"the folder {folder} cannot be read: {error.strerror}") from error
    photos = [
        path
        for path in paths
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]
    if not photos:
        raise ImageError(
            f"{folder} holds no pictures (known suffixes: {', '.join(sorted(IMAGE_SUFFIXES))})"
        )
    return photos


def format_of(path: Path) -> str:
    """The format to write for a path, by its suffix.

    Raises:
        OptionError: the suffix is of none.
    """
    try:
        return _FORMAT_OF_SUFFIX[path.suffix.lower()]
    except KeyError:
        raise OptionError(
            f"{path} has the suffix {path.suffix!r}; write one of "
            f"{', '.join(_FORMAT_OF_SUFFIX)}, or give --output-format"
        ) from None


def encode_photo(photo: Photo, *, format: str, quality: int | None = None) -> bytes:
    """Encode a picture with 8 bits a channel, its EXIF, and no profile, which means sRGB.

    JPEG has no alpha: there the picture is laid on white.

    Args:
        photo: the picture.
        format: ``"png"``, ``"jpeg"``, ``"webp"`` or ``"tiff"``.
        quality: of JPEG and WebP, from 1 to 100; None for 95.

    Raises:
        OptionError: the format or quality is not one of these.
        OutputError: the format cannot hold the picture.
    """
    if format not in WRITE_FORMATS:
        raise OptionError(f"the format is {format!r}; it must be one of {', '.join(WRITE_FORMATS)}")
    if quality is not None and not 1 <= quality <= 100:
        raise OptionError(f"the quality is {quality}; it must be from 1 to 100")
    image = photo.to_pil()
    if format == "jpeg" and image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    buffer = io.BytesIO()
    options: dict[str, object] = {}
    if format in ("jpeg", "webp"):
        options["quality"] = quality or DEFAULT_QUALITY
    if format == "jpeg":
        options["subsampling"] = 0  # full colour resolution: strokes are small and colourful
    if photo.exif is not None:
        options["exif"] = photo.exif
    try:
        image.save(buffer, format=format, **options)
    except (OSError, ValueError) as error:
        width, height = photo.size
        raise OutputError(
            f"{width} × {height} pixels cannot be written as {format}: {error}; "
            "choose another --output-format"
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
        path: of the file.
        format: see ``encode_photo``; None for that of the suffix.
        quality: see ``encode_photo``.
        overwrite: whether an older file may be replaced.

    Raises:
        OptionError: see ``encode_photo``.
        OutputError: the file exists, or cannot be written.
    """
    path = Path(path)
    write_file(
        path,
        encode_photo(photo, format=format or format_of(path), quality=quality),
        overwrite=overwrite,
    )


def _resize(channel: Pixels, size: tuple[int, int]) -> Pixels:
    resized = Image.fromarray(channel).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(resized, dtype=np.float32).clip(0, 1)  # Lanczos overshoots at edges


def _to_floats(values: npt.NDArray[np.uint8]) -> Pixels:
    return values.astype(np.float32) / np.float32(255)


def _to_bytes(values: Pixels) -> npt.NDArray[np.uint8]:
    rounded: npt.NDArray[np.uint8] = (np.clip(values, 0, 1) * 255).round().astype(np.uint8)
    return rounded
