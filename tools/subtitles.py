"""Subtitles: what is said, word for word, from files beside the video or from the text track inside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from videochat.errors import MediaError, first_line
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled


def has_subtitles(video: Video) -> bool:
    """Return whether subtitles lie beside the video or inside it."""
    return bool(video.subtitle_files() or video.subtitle_tracks)


class SubtitleReader(PerceptionTool):
    """Reads subtitle files beside the video (.srt, .vtt, .ass), else the text track inside it.

    One track is read: the file with the shortest name, else the track that players show by default.
    """

    name: ClassVar[str] = "subtitles"
    kind: ClassVar[Kind] = "speech"
    sees: ClassVar[str] = "what is said, word for word, where subtitles lie beside or inside the video"

    needs: Needs = "subtitles"

    def usual_source(self) -> str:
        """Return the only source there is: the words are the video's own."""
        return "subtitles"

    def unfit(self, video: Video) -> str | None:
        """Return why there are no subtitles to read, or None."""
        return None if has_subtitles(video) else "there are no subtitles beside or inside the video"

    def version(self, video: Video) -> str:
        """Return a digest of the file that is read, so that a video whose subtitles were corrected is read again.

        Raises:
            MediaError: the file cannot be read.
        """
        files = video.subtitle_files()
        if not files:
            return self.source
        return f"{self.source}-{hashlib.blake2b(_bytes_of(files[0], video), digest_size=8).hexdigest()}"

    def perceive(
        self, stream: Iterable[Any], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption a cue; two cues that say the same at the same time are one.

        Raises:
            MediaError: the subtitles cannot be read.
        """
        import pysubs2

        language = None
        try:
            if files := video.subtitle_files():
                cues = pysubs2.SSAFile.from_string(_decoded(_bytes_of(files[0], video)))
                language = files[0].stem.removeprefix(video.path.stem).strip(".") or None
            else:
                track = next((t for t in video.subtitle_tracks if t.default), video.subtitle_tracks[0])
                cues = pysubs2.SSAFile.from_string(video.subtitle_text(track), format_="srt")
                language = track.language
        except (pysubs2.exceptions.Pysubs2Error, OSError) as error:
            raise MediaError(f"The subtitles of {video.name!r} cannot be read ({first_line(error)}).") from error
        shift = video.subtitle_shift_seconds
        for cue in sorted(cues, key=lambda cue: (cue.start, cue.end)):
            text = " ".join(cue.plaintext.split())
            start, end = max(cue.start / 1000 + shift, 0.0), cue.end / 1000 + shift
            # A cue may outlast the video; words may come after its last picture and sound, and belong to the end.
            end = min(end, video.duration_seconds) if start < video.duration_seconds else end
            inside = start_seconds <= start and (start < end_seconds or end_seconds >= video.duration_seconds)
            if text and not cue.is_comment and start < end and inside:
                yield Caption(video.id, start, end, self.kind, text, self.source, language=_code(language))
        yield Settled(end_seconds)


def _bytes_of(file: Path, video: Video) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise MediaError(
            f"The subtitles of {video.name!r} cannot be read: {file.name!r} ({error.strerror or first_line(error)}). "
            "Make the file readable, or move it away."
        ) from error


def _decoded(data: bytes) -> str:
    """Return subtitles as text; old files that are not UTF-8 are mostly of Windows' western code page."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _code(language: str | None) -> str | None:
    """Return a language code, or None for a label that is none (as in `film.director.srt`)."""
    return language if language and 2 <= len(language.split("-")[0]) <= 3 else None
