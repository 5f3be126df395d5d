"""Photos in, pictures out.

A photo is read into upright 8-bit RGB whatever the file held (16 bit, CMYK, palette, alpha, animation, rotation tag,
colour profile), or BadInput says which file and why. A picture is written whole or not at all.
HEIF is read where the package pillow-heif is installed; camera raw files are refused by name."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError, features

from pyapdraw.errors import BadInput, Error, OutputError
from pyapdraw.files import atomic_write, name_of, read_bytes
from pyapdraw.media.kinds import HEAD_BYTES, MAX_PIXELS, is_video, refuse_unreadable
from pyapdraw.media.kinds import picture_format as format_of
from pyapdraw.media.quiet import quiet_pillow

MAX_FILE_BYTES = 512 << 20
# An allow-list: Pillow knows forty more formats, some of them with a history of holes.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
}
MOST_SIDE_PX = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 32_768}  # what the formats' libraries write and read again
_ORIENTATION_TAG = 0x0112
_PIXELS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Photo:
    """pixels: uint8 [H, W, 3], RGB (sRGB), C-contiguous, upright."""

    pixels: np.ndarray

    def __post_init__(self):
        shape, dtype = np.shape(self.pixels), getattr(self.pixels, "dtype", None)
        if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3:
            raise BadInput(f"Photo.pixels: {dtype} {list(shape)} given, expected uint8 [H, W, 3]")

    @property
    def height(self) -> int:
        """In pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """In pixels."""
        return self.pixels.shape[1]


def read_photo(source, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a picture file (path, content, or opened in binary mode) into a Photo.

    source: JPEG, PNG, WebP, AVIF, GIF, TIFF, BMP, HEIF; of an animation or several pages the first picture is taken.
    max_pixels: a picture whose header announces more is refused before anything is decoded.
    Transparent pixels are laid on white; EXIF rotation (1-8) is applied; 16-bit grey is scaled; an embedded colour
    profile is converted to sRGB. Raises BadInput, naming file and reason, for everything that cannot be read."""
    name = name_of(source)
    with _read_safely(name, max_pixels), open_picture(source) as image:
        return Photo(_upright_rgb(image, name, max_pixels))


def rgb_of(image: Image.Image, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """uint8 [H, W, 3] of a Pillow image of any mode, treated as `read_photo` treats files. Raises BadInput."""
    name = f"image: Pillow {image.mode} {image.width} x {image.height}"
    with _read_safely(name, max_pixels):
        return _upright_rgb(image, name, max_pixels)


def open_picture(source) -> Image.Image:
    """Pillow's lazy image of a path, buffer or opened file: header read, nothing decoded. Raises BadInput, or what
    Pillow raises."""
    content = read_bytes(source, MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise BadInput(f"{name_of(source)}: larger than {MAX_FILE_BYTES >> 20} MiB")
    refuse_unreadable(source, content)
    if format_of(content[:HEAD_BYTES]) == "heif":
        import pillow_heif

        return pillow_heif.HeifImageFile(io.BytesIO(content))
    if is_video(content[:HEAD_BYTES]):
        raise BadInput(f"{name_of(source)}: is a video, a photo expected")
    return Image.open(io.BytesIO(content), formats=FORMATS)


@contextmanager
def _read_safely(name: str, max_pixels: int) -> Iterator[None]:
    """Whatever goes wrong inside is BadInput of that name, and nobody else hears of it."""
    try:
        with quiet_pillow(max_pixels):
            yield
    except Error:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, RuntimeError, struct.error, MemoryError, ...
        raise BadInput(f"{name}: {_reason(error, max_pixels)}") from error


def _upright_rgb(image: Image.Image, name: str, max_pixels: int) -> np.ndarray:
    """uint8 [H, W, 3], C-contiguous, of an image whose header has been read."""
    width, height = image.size
    if width < 1 or height < 1:
        raise BadInput(f"{name}: has no pixels ({width} x {height})")
    if width * height > max_pixels:
        size = f"{width} x {height} = {width * height / 1e6:.1f} megapixels"
        raise BadInput(f"{name}: {size}, at most {max_pixels / 1e6:g} allowed (max_pixels)")
    image.load()
    return np.ascontiguousarray(_turn_upright(_to_rgb(image), _orientation(image)))


def _reason(error: Exception, max_pixels: int = MAX_PIXELS) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "is not a picture, or its header is damaged (expected JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP)"
    if isinstance(error, Image.DecompressionBombError):
        return f"has too many pixels, at most {max_pixels / 1e6:g} megapixels allowed (max_pixels)"
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    return f"damaged or cut off: {str(error) or type(error).__name__}"


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1-8. A damaged EXIF block costs the rotation, not the photo."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (EXIF 2.32, tag 0x0112): where row 0 and column 0 of the stored picture lie."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _to_rgb(image: Image.Image) -> np.ndarray:
    """uint8 [H, W, 3] of a loaded image of any mode."""
    if image.mode == "1":
        image = image.convert("L")
    if image.mode.startswith("I") or image.mode == "F":
        return np.repeat(_grey_to_8_bit(np.asarray(image))[:, :, None], 3, axis=2)
    if image.mode == "La":
        image = image.convert("LA")
    alpha = None
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")
    image = _to_srgb(image)
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.array(image if alpha is None else _on_white(image, alpha))  # a copy: asarray gives a read-only view


def _on_white(image: Image.Image, alpha: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


def _grey_to_8_bit(grey: np.ndarray) -> np.ndarray:
    """Grey of 16 or 32 bit, or float, scaled to uint8 (not cut off at 255), some rows at a time.

    32 bits say nothing of the range: it is 8, 16 or 31 bits, the least that holds the largest level."""
    out = np.empty(grey.shape, np.uint8)
    floats = grey.dtype.kind == "f"
    largest = 255 if floats and np.isposinf(grey).any() else grey.max(initial=0, where=np.isfinite(grey))
    rows = max(1, _PIXELS_AT_ONCE // max(1, grey.shape[1]))
    for start in range(0, grey.shape[0], rows):
        part = grey[start : start + rows]
        if floats:
            part = np.nan_to_num(part.astype(np.float64), nan=0.0, posinf=255.0, neginf=0.0)
            scale = 255.0 if largest <= 1.0 else 1.0  # TIFF floats are 0..1 or 0..255
            out[start : start + rows] = np.clip(np.rint(part * scale), 0, 255)
        else:
            narrow = largest <= 255 and grey.dtype.itemsize > 2
            full = 255 if narrow else 65535 if largest <= 65535 else 2**31 - 1
            wide = np.clip(part, 0, full).astype(np.uint64)
            out[start : start + rows] = (wide * 255 + full // 2) // full
    return out


def _to_srgb(image: Image.Image) -> Image.Image:
    """Apply an embedded ICC profile. A profile that is damaged or of another colour space is ignored, as viewers do."""
    profile_bytes = image.info.get("icc_profile")
    if not profile_bytes or image.mode not in ("RGB", "CMYK", "L", "LAB"):
        return image
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_bytes))
        if image.mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(profile):
            return image
        return ImageCms.profileToProfile(image, profile, _srgb_profile(), outputMode="RGB") or image
    except Exception:
        return image


def _srgb_profile() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def write_image(
    array: np.ndarray,
    path: str | os.PathLike,
    *,
    overwrite: bool = False,
    quality: int = 95,
    inputs: Iterable = (),
) -> Path:
    """Write a picture; its format follows the suffix (.png, .jpg, .jpeg, .webp, .tif, .tiff, .avif).

    array: uint8 [H, W] (grey), [H, W, 3] (RGB) or [H, W, 4] (RGBA; laid on white for JPEG). quality: 1-100, of JPEG,
    WebP (100: lossless) and AVIF; PNG and TIFF are lossless. inputs: sources that must not be overwritten. No metadata
    is written, no EXIF, no place. The file appears whole or not at all. Raises OutputError (cannot be written, or too
    large for the format) or BadInput (array is no picture)."""
    path = Path(path)
    picture = SUFFIXES.get(path.suffix.lower())
    if picture is None:
        raise OutputError(f"{path}: suffix {path.suffix!r} given, expected one of {', '.join(SUFFIXES)}")
    if picture == "AVIF" and not features.check("avif"):
        raise OutputError(f"{path}: this Pillow was built without AVIF, another suffix expected")
    too_large = _too_large(array, picture)
    if too_large:
        raise OutputError(f"{path}: {too_large}; choose .png or .tif")
    with atomic_write(path, overwrite=overwrite, inputs=inputs) as file:
        file.write(encode_image(array, picture, quality=quality))
    return path


def _too_large(array: np.ndarray, picture: str) -> str | None:
    """What is wrong where a side is longer than the format can hold."""
    height, width = (*np.shape(array), 0, 0)[:2]
    most = MOST_SIDE_PX.get(picture, 2**31 - 1)
    return f"{width} x {height} px given, {picture} holds at most {most} a side" if max(height, width) > most else None


def encode_image(array: np.ndarray, picture_format: str = "PNG", *, quality: int = 95) -> bytes:
    """Content of a PNG, JPEG, WEBP, TIFF or AVIF file; arguments as for write_image. Raises BadInput."""
    array = np.asarray(array)
    fits = array.dtype == np.uint8 and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)))
    if not fits or array.size == 0:
        raise BadInput(f"array: {array.dtype} {list(array.shape)} given, expected uint8 [H, W], [H, W, 3] or [H, W, 4]")
    if not 1 <= quality <= 100:
        raise BadInput(f"quality: {quality} given, expected 1 to 100")
    too_large = _too_large(array, picture_format)
    if too_large:
        raise BadInput(f"array: {too_large}")
    options: dict[str, dict] = {  # lines of a drawing lose their edge with halved colour
        "PNG": {},
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"quality": quality, "lossless": quality == 100},
        "TIFF": {"compression": "tiff_adobe_deflate"},
        "AVIF": {"quality": quality, "subsampling": "4:4:4"},
    }
    buffer = io.BytesIO()
    try:
        with quiet_pillow():
            image = Image.fromarray(np.ascontiguousarray(array))
            if picture_format == "JPEG" and image.mode == "RGBA":
                image = _on_white(image, image.getchannel("A"))
            image.save(buffer, picture_format, **options[picture_format])
    except Exception as error:
        reason = _reason(error) if isinstance(error, MemoryError) else error
        raise BadInput(f"array: {list(array.shape)} cannot be written as {picture_format}: {reason}") from error
    return buffer.getvalue()
