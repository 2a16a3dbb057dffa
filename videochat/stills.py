"""Pictures in files: photos, which are videos of one picture, and animations that FFmpeg does not play.

JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF are read by Pillow, HEIC where `pillow-heif` is installed. They are turned
upright by their EXIF data; CMYK, palettes and 16 bits become 8-bit RGB, and what is transparent lies on white.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.error import FFmpegError
from PIL import Image, ImageOps, UnidentifiedImageError

from videochat.errors import MediaError, first_line
from videochat.local_files import open_container

PICTURE_SECONDS = 1.0
"""How long a photo lasts as a video."""

_MOST_PIXELS = 150_000_000
_USUAL_STEP_SECONDS = 0.1  # of an animation that names none, as browsers take it
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # of EXIF: those that lie on their side
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
_HEADS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")


@dataclass(frozen=True)
class Still:
    """A file of one picture, or of an animation that is read picture by picture."""

    path: Path
    size: tuple[int, int]
    """(width, height) of the upright picture."""
    steps: tuple[float, ...]
    """How long each picture is shown, in seconds."""

    @property
    def is_animated(self) -> bool:
        """Whether there are several pictures."""
        return len(self.steps) > 1

    @property
    def duration_seconds(self) -> float:
        """How long all are shown together."""
        return sum(self.steps)

    def pictures(self) -> Iterator[tuple[float, np.ndarray, float]]:
        """Yield second, uint8 RGB array of shape (height, width, 3), and how long it is shown, one after another.

        Raises:
            MediaError: the file is cut short or damaged.
        """
        seconds = 0.0
        for number, step in enumerate(self.steps):
            yield seconds, _pixels(self.path, number), step
            seconds += step


def still_of(path: Path) -> Still | None:
    """Return a file as a picture, or None where it is something else, or an animation that FFmpeg plays.

    Raises:
        MediaError: it is a picture that is too large, damaged, or of a kind whose reader is not installed.
    """
    with path.open("rb") as file:
        head = file.read(32)
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC and not _read_heic():
        raise MediaError(f"{path.name!r} is a HEIC picture; `pip install pillow-heif` to read it, or save it as JPEG.")
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    is_ftyp = head[4:8] == b"ftyp" and head[8:12] in (*_HEIC, b"avif")
    if not (head.startswith(_HEADS) or is_webp or is_ftyp):
        return None
    try:
        with _opened(path) as image:
            if image.format in ("GIF", "PNG") and getattr(image, "is_animated", False):
                return None
            if image.format == "JPEG" and _is_stream(path):
                return None
            width, height = image.size
            if width * height > _MOST_PIXELS:
                raise _too_large(path, f"{width:,} x {height:,} pixels")
            steps = _steps(image) if image.format == "WEBP" else (PICTURE_SECONDS,)
            if image.getexif().get(_ORIENTATION, 1) in _TURNED:
                width, height = height, width
            # What is cut short is found now. A JPEG need not be drawn in full for it, and a thousand take a while.
            image.draft("RGB", (width // 8, height // 8))
            image.load()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        size = _size_by_ffmpeg(path)
        if size is None:
            raise _damaged(path, error) from error
        (width, height), steps = size, (PICTURE_SECONDS,)
        if width * height > _MOST_PIXELS:
            raise _too_large(path, f"{width:,} x {height:,} pixels") from error
        _pixels(path, 0)
    return Still(path, (width, height), steps)


def _is_stream(path: Path) -> bool:
    """Return whether a JPEG is the first of many (raw Motion JPEG), as FFmpeg tells them apart."""
    try:
        with open_container(path) as container:
            return bool(container.format.name == "mjpeg")
    except (FFmpegError, ValueError):
        return False


def _opened(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(path, formats=[name for name in _FORMATS if name != "HEIF" or _read_heic()])
        except Image.DecompressionBombError as error:
            named = re.search(r"\d+", str(error))
            raise _too_large(path, f"{int(named[0]):,} pixels" if named else "too many pixels") from error


def _read_heic() -> bool:
    """Make Pillow read HEIC; return whether it can."""
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    importlib.import_module("pillow_heif").register_heif_opener()
    return True


def _steps(image: Image.Image) -> tuple[float, ...]:
    count = getattr(image, "n_frames", 1)
    if count == 1:
        return (PICTURE_SECONDS,)
    found = []
    for number in range(count):
        image.seek(number)
        image.load()  # the time of a picture is known when it is decoded
        found.append((image.info.get("duration") or 0) / 1000 or _USUAL_STEP_SECONDS)
    return tuple(found)


def _pixels(path: Path, number: int) -> np.ndarray:
    try:
        with _opened(path) as image:
            if number:
                image.seek(number)
            return _rgb(ImageOps.exif_transpose(image))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        pixels = _pixels_by_ffmpeg(path)
        if pixels is None:
            raise _damaged(path, error) from error
        return pixels


def _rgb(image: Image.Image) -> np.ndarray:
    """Return any picture of Pillow as uint8 RGB."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        values = np.asarray(image).astype(np.float64)
        largest = float(values.max(initial=0.0))
        top = 1.0 if image.mode == "F" and largest <= 1 else 65535.0
        if not image.mode.startswith("I;") and 1 < largest < 256:
            top = 255.0  # 32 bits say nothing of how they are used
        grey = np.clip(values / top * 255, 0, 255).round().astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        over = image.convert("RGBA")
        ground = Image.new("RGBA", over.size, "white")
        return np.asarray(Image.alpha_composite(ground, over).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _pixels_by_ffmpeg(path: Path) -> np.ndarray | None:
    """Return a picture that Pillow does not read, such as a TIFF of three times 16 bits; None where nobody does."""
    try:
        with open_container(path) as container:
            frame: Any = next(container.decode(video=0), None)
            return None if frame is None else np.asarray(frame.to_ndarray(format="rgb24"))
    except (FFmpegError, ValueError, IndexError):
        return None


def _size_by_ffmpeg(path: Path) -> tuple[int, int] | None:
    try:
        with open_container(path) as container:
            context = container.streams.video[0].codec_context
            return context.width, context.height
    except (FFmpegError, ValueError, IndexError):
        return None


def _too_large(path: Path, size: str) -> MediaError:
    return MediaError(
        f"The picture {path.name!r} has {size}; those of up to {_MOST_PIXELS:,} are read. Scale it down first."
    )


def _damaged(path: Path, error: Exception) -> MediaError:
    return MediaError(f"The picture {path.name!r} cannot be read ({first_line(error)[:160]}). Get it again.")
