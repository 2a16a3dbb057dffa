"""What Whisper base from the extra `offline` hears through our own sense, offline.

    python benchmarks/hearing.py words ../shared/material/videos   # word errors, words in their cue
    python benchmarks/hearing.py hours SOUND --hours 3             # peak memory over a repeated sound
    python benchmarks/hearing.py languages                         # what is said of eight voices of espeak-ng

The first reads `NAME.mp4` beside `NAME.gold.srt` or `NAME.vtt`. Of words that are equal to the reference, those count
as placed that lie inside their cue within 0.3 s. A cue that outlasts its clip is left out. The last needs espeak-ng.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import wave
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pysubs2

from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.evaluation.word_errors import aligned, words_of
from videochat.media import Video
from videochat.records import Caption
from videochat.tools.speech import SpeechRecognizer
from videochat.tools.utterances import Utterance

Timed = tuple[str, float, float]
"""A word, and when it is spoken or when its cue is."""

SLACK_SECONDS = 0.3
SENTENCES = {
    "en": "Good morning, ladies and gentlemen. Today we want to talk about the weather in the mountains.",
    "de": "Guten Morgen, meine Damen und Herren. Heute wollen wir über das Wetter in den Bergen sprechen.",
    "fr": "Bonjour mesdames et messieurs. Aujourd'hui nous voulons parler du temps dans les montagnes.",
    "es": "Buenos días, señoras y señores. Hoy queremos hablar del tiempo en las montañas.",
    "it": "Buongiorno signore e signori. Oggi vogliamo parlare del tempo in montagna.",
    "pt": "Bom dia, senhoras e senhores. Hoje queremos falar sobre o tempo nas montanhas.",
    "ru": "Доброе утро, дамы и господа. Сегодня мы хотим поговорить о погоде в горах.",
    "pl": "Dzień dobry, panie i panowie. Dzisiaj chcemy porozmawiać o pogodzie w górach.",
}


def reference(subtitles: Path, length_seconds: float) -> list[Timed]:
    """Return the words of the cues of a clip with the times of their cues."""
    cues = [cue for cue in pysubs2.load(str(subtitles), encoding="utf-8") if cue.end / 1000 <= length_seconds]
    return [(word, cue.start / 1000, cue.end / 1000) for cue in cues for word in words_of(cue.plaintext)]


def words_within(utterances: Iterable[Utterance], start_seconds: float, end_seconds: float) -> list[Timed]:
    """Return the words that begin in a range, each with its own times, counted from the start of the range."""
    return [
        (word, timed.start_seconds - start_seconds, timed.end_seconds - start_seconds)
        for utterance in utterances
        for timed in utterance.words
        for word in words_of(timed.text)
        if start_seconds <= timed.start_seconds < end_seconds
    ]


def placed(wanted: Sequence[Timed], found: Sequence[Timed], pairs: Iterable[tuple[int, int]]) -> int:
    """Return how many of the words that are the same lie inside their cue, within `SLACK_SECONDS`."""
    return sum(
        wanted[i][1] - SLACK_SECONDS <= found[j][1] and found[j][2] <= wanted[i][2] + SLACK_SECONDS for i, j in pairs
    )


def repeated(samples: np.ndarray, seconds: float) -> Iterator[AudioBlock]:
    """Yield a sound again and again, with a pause of a second between, for so long."""
    once = np.concatenate([samples, np.zeros(SAMPLE_RATE, np.float32)])
    for number in range(round(seconds * SAMPLE_RATE / len(once))):
        yield AudioBlock(number * len(once) / SAMPLE_RATE, once)


def _recognizer() -> SpeechRecognizer:
    return SpeechRecognizer("base", backend="faster-whisper", prefer_subtitles=False)


def _words(folder: Path) -> None:
    tool = _recognizer()
    total = wrong = same = inside = 0
    for subtitles in sorted([*folder.glob("*.gold.srt"), *folder.glob("*.vtt")]):
        video = Video(folder / f"{subtitles.name.split('.')[0]}.mp4")
        wanted = reference(subtitles, video.duration_seconds)
        found = words_within(tool.transcribe(video), 0.0, wanted[-1][2])
        errors, pairs = aligned([w for w, *_ in wanted], [w for w, *_ in found])
        within = placed(wanted, found, pairs)
        print(f"{video.name}: word error rate {errors / len(wanted):.2f}, {within} of {len(pairs)} words in their cue")
        total, wrong, same, inside = total + len(wanted), wrong + errors, same + len(pairs), inside + within
    print(f"together: word error rate {wrong / total:.2f}, {inside} of {same} words in their cue")


def _hours(sound: Path, hours: float) -> None:
    video = Video(sound)
    samples = np.concatenate([block.samples for block in video.audio()])
    tool, process, most, count = _recognizer(), psutil.Process(), 0.0, 0
    at_quarter = 0.0
    for item in tool.perceive(repeated(samples, hours * 3600), video, 0.0, hours * 3600):
        memory = process.memory_info().rss / 2**20
        most = max(most, memory)
        if isinstance(item, Caption):
            count += 1
            at_quarter = most if item.start_seconds < hours * 900 else at_quarter
    print(
        f"{hours:g} hours: {count} captions, {at_quarter:.0f} MiB at most in the first quarter, {most:.0f} MiB in all"
    )


def _languages() -> None:
    for language, sentence in SENTENCES.items():
        made = subprocess.run(
            ["espeak-ng", "-v", language, "-s", "140", "--stdout", sentence], capture_output=True, check=True
        ).stdout
        with wave.open(io.BytesIO(made)) as read:
            rate = read.getframerate()
            sound = np.frombuffer(read.readframes(10**9), "<i2").astype(np.float32) / 32768
        at = np.arange(0, len(sound), rate / SAMPLE_RATE)
        segments = _recognizer().loaded().transcribe(np.interp(at, np.arange(len(sound)), sound).astype("f4"), None)
        print(f"{language}: {segments[0].language if segments else None}  {' '.join(s.text.strip() for s in segments)}")


def main() -> None:
    """Read the command line and print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("words").add_argument("folder", type=Path)
    hours = what.add_parser("hours")
    hours.add_argument("sound", type=Path)
    hours.add_argument("--hours", type=float, default=3.0)
    what.add_parser("languages")
    options = parser.parse_args()
    if options.what == "words":
        _words(options.folder)
    elif options.what == "hours":
        _hours(options.sound, options.hours)
    else:
        _languages()


if __name__ == "__main__":
    main()
