"""Videos of a benchmark: found below the user's folder, with their subtitles or without, cut, or made of pictures."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from videochat.clips import cut_clip
from videochat.errors import MediaError, first_line
from videochat.intervals import Interval
from videochat.media import Video

_VIDEOS = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".gif", ".flv", ".wmv", ".ts")
_SUBTITLES = (".srt", ".vtt", ".ass")
_PICTURES = (".jpg", ".jpeg", ".png")
_FRAME_RATE = 3
"""Pictures a second of MVBench's and TVQA's folders."""


class VideoFolder:
    """Finds what the annotations name, and hands it on as a file with the subtitles that are wanted, and no others.

    Args:
        folder: where the user keeps the videos, at any depth.
        work: where links, cut parts and videos of pictures are kept for the next run.
        subtitles: whether what is said may be read from a file beside the video, or elsewhere below the folder.
    """

    def __init__(self, folder: Path, work: Path, *, subtitles: bool = True) -> None:
        self._folder, self._work, self._subtitles = folder, work, subtitles
        self._guard = threading.Lock()
        self._found: dict[str, list[Path]] = defaultdict(list)
        self._said: dict[str, Path] = {}
        for place, folders, names in os.walk(folder):
            if work.resolve() == Path(place).resolve():
                folders.clear()
                continue
            folders.sort()
            pictures = False
            for name in sorted(names):
                path = Path(place) / name
                ending = path.suffix.casefold()
                if ending in _VIDEOS:
                    self._found[path.stem].append(path)
                elif ending in _SUBTITLES:
                    self._said.setdefault(name.split(".")[0], path)
                pictures = pictures or ending in _PICTURES
            if pictures:
                self._found[Path(place).name].append(Path(place))

    def find(self, name: str) -> Path | None:
        """Return the file, or the folder of pictures, that a name of the annotations means; None for none."""
        wanted = Path(name)
        direct = self._folder / wanted
        if direct.exists() and not (direct.is_dir() and direct not in self._found[wanted.name]):
            return direct
        known = wanted.suffix.casefold() in _VIDEOS
        found = self._found.get(wanted.stem if known else wanted.name, [])
        # Of several files of one name the one whose folders agree most.
        parts = wanted.parts[:-1]
        return max(found, key=lambda path: (sum(part in path.parts for part in parts), -len(path.parts)), default=None)

    def open(self, name: str, window: Interval | None = None) -> Video:
        """Return the video that a name means.

        Args:
            name: as of `find`; it is there.
            window: the part that is asked about; None for the whole.

        Raises:
            MediaError: it cannot be read, or its part cannot be cut.
        """
        source = self.find(name)
        if source is None:
            raise MediaError(f"There is no video {name!r} below {str(self._folder)!r}.")
        with self._guard:
            self._work.mkdir(parents=True, exist_ok=True)
            path = _of_pictures(source, self._work) if source.is_dir() else self._linked(source)
            if window is None:
                return Video(path)
            part = self._work / f"{_key(source)}-{window[0]:g}-{window[1]:g}.mp4"
            if not part.exists():
                cut_clip(Video(path), [window], part)
            return Video(part)

    def _linked(self, source: Path) -> Path:
        """Return a name of a video in a folder of its own, beside which stands what may be read and nothing else."""
        place = self._work / _key(source)
        place.mkdir(exist_ok=True)
        said = self._said.get(source.stem) if self._subtitles else None
        for file in (source, said):
            if file is not None and not (target := place / f"{source.stem}{file.suffix}").exists():
                try:
                    target.symlink_to(file.resolve())
                except OSError:  # a system without links
                    shutil.copyfile(file, target)
        return place / source.name


def _key(source: Path) -> str:
    return f"{source.stem[:40]}-{hashlib.blake2b(str(source.resolve()).encode(), digest_size=4).hexdigest()}"


def _of_pictures(folder: Path, work: Path) -> Path:
    """Return a folder's numbered pictures as a video, 3 a second.

    Raises:
        MediaError: one of them cannot be read.
    """
    import av
    from PIL import Image

    target = work / f"{_key(folder)}.mp4"
    if target.exists():
        return target
    pictures = sorted(p for p in folder.iterdir() if p.suffix.casefold() in _PICTURES)
    part = target.with_suffix(".part.mp4")
    try:
        with av.open(str(part), "w") as container:
            stream: Any = container.add_stream("libx264", rate=_FRAME_RATE)
            with Image.open(pictures[0]) as first:
                stream.width, stream.height = (side // 2 * 2 for side in first.size)
            stream.pix_fmt = "yuv420p"
            for number, path in enumerate(pictures):
                with Image.open(path) as picture:
                    image = picture.convert("RGB").resize((stream.width, stream.height))
                frame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]  # it has no types
                frame.pts, frame.time_base = number, Fraction(1, _FRAME_RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except (OSError, ValueError) as error:  # av's errors are both
        part.unlink(missing_ok=True)
        raise MediaError(f"The pictures in {str(folder)!r} make no video: {first_line(error)}") from error
    part.replace(target)
    return target
