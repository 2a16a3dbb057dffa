"""The run: every contender asked every item of a benchmark, resumable, several videos at a time."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from videochat.contenders import Answering, Contender, named, why
from videochat.errors import InvalidArgument, UnknownName, VideoChatError
from videochat.evaluation.benchmarks import BENCHMARKS, Benchmark
from videochat.evaluation.items import Item, Reading
from videochat.evaluation.predictions import Prediction, Results
from videochat.evaluation.provenance import provenance
from videochat.evaluation.videos import VideoFolder
from videochat.intervals import Interval
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.tools import PerceptionTool, best_present, make_refiner, make_tools

_SAME = ("benchmark", "questions", "subtitles", "shuffled")
"""What must not change between runs into one file."""


@dataclass(frozen=True)
class Settings:
    """What is evaluated, and how.

    Raises:
        UnknownName: there is no such benchmark.
        InvalidArgument: a number is too small, or there is no contender.
    """

    benchmark: Benchmark
    data: Path
    """The folder of the annotations and videos."""
    out: Path
    """The results file."""
    contenders: Sequence[Contender]
    questions: Path | None = None
    """The annotation file, where several lie in `data`, or one that was kept apart."""
    limit: int | None = None
    """How many questions at most, spread over the videos; None for all."""
    jobs: int = 4
    """How many videos are worked on at the same time."""
    subtitles: bool = True
    """Whether subtitle files are read."""
    shuffle: int | None = None
    """Seed of another order of the options, as a control; None for the order of the benchmark."""
    memory: str | None = None
    """Where captions are kept; None for a folder beside `out`."""
    preset: str | Sequence[str | PerceptionTool] | None = None
    """What watches, as of `VideoAgent`."""
    embeddings: str | None = None
    """What texts are compared by; None as `CaptionStore` decides."""

    def __post_init__(self) -> None:
        if not self.contenders:
            raise InvalidArgument("There is nobody to ask; name a model with --llm, or a contender with --with.")
        for name in ("limit", "jobs"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InvalidArgument(f"{name} must be 1 or more, got {value}.")

    @property
    def named(self) -> list[tuple[str, Contender]]:
        """The contenders with their names."""
        return named(self.contenders)


@dataclass(frozen=True)
class Evaluated:
    """What a run leaves: the questions, what could not be asked, and all predictions."""

    benchmark: Benchmark
    items: Sequence[Item]
    problems: Sequence[str]
    """Entries of the annotations that could not be read."""
    missing: Mapping[str, str]
    """Why a video was left out, by its name; its questions are not scored."""
    results: Results
    order: Sequence[str] = field(default=())
    """Names of the contenders in the order in which they were given."""


def read(settings: Settings) -> Reading:
    """Return the questions of a run: read, shuffled if that is wanted, and limited.

    Raises:
        InvalidArgument: the annotations cannot be read.
    """
    reading = settings.benchmark.read(settings.data, settings.questions)
    items = list(reading.items)
    if settings.shuffle is not None:
        items = [shuffled(item, settings.shuffle) for item in items]
    if settings.limit is not None and settings.limit < len(items):
        items = _spread(items, settings.limit)
    return replace(reading, items=items)


def evaluate(settings: Settings, *, on_answer: Callable[[int, int], None] | None = None) -> Evaluated:
    """Ask every contender every question that the results file does not hold yet.

    A video that is missing or broken and a model that fails do not end it: the others are asked, and the next run into
    the same file tries again what is missing.

    Args:
        settings: what, how and who.
        on_answer: called with (done, of how many) after each answer.

    Raises:
        InvalidArgument: the annotations cannot be read, or the results file is another run's.
        StoreError: the captions cannot be kept.
    """
    reading = read(settings)
    memory = settings.memory or str(settings.out.with_suffix(".memory"))
    folder = VideoFolder(settings.data, settings.out.with_suffix(".videos"), subtitles=settings.subtitles)
    chosen = best_present() if settings.preset is None else settings.preset
    senses = make_tools(chosen)
    with CaptionStore(memory, embeddings=settings.embeddings) as store:
        about = provenance(senses, store.embedder.name) | {
            "benchmark": settings.benchmark.name,
            "questions": _digest(settings.benchmark.read(settings.data, settings.questions).items),
            "subtitles": settings.subtitles,
            "shuffled": settings.shuffle,
            "contenders": [name for name, _ in settings.named],
            "data": str(settings.data.resolve()),
            "file": None if settings.questions is None else str(settings.questions.resolve()),
        }
        with Results.appending(settings.out, about, _SAME) as results:
            # One set of senses for all videos, so that their models load once; a refiner comes only with a preset.
            line_up = senses if make_refiner(chosen) is None else chosen
            work = _Work(settings, store, line_up, folder, results, reading.items, on_answer)
            missing = work.run()
    return Evaluated(
        settings.benchmark, reading.items, reading.problems, missing, results, [name for name, _ in settings.named]
    )


def load(path: Path) -> Evaluated:
    """Return what earlier runs into a results file left, scored anew.

    Raises:
        InvalidArgument: it cannot be read, or the annotations are no longer where they were.
        UnknownName: its benchmark is none.
    """
    results = Results.read(path)
    if not results.runs:
        raise InvalidArgument(f"{str(path)!r} holds no results yet.")
    run = results.runs[-1]
    benchmark = benchmark_of(run["benchmark"])
    file = run.get("file")
    reading = benchmark.read(Path(run["data"]), None if file is None else Path(file))
    items = [i if run.get("shuffled") is None else shuffled(i, run["shuffled"]) for i in reading.items]
    order = list(dict.fromkeys(name for each in results.runs for name in each.get("contenders", ())))
    return Evaluated(benchmark, items, reading.problems, {}, results, order)


class _Work:
    """Items of one video after another, by several threads."""

    def __init__(
        self,
        settings: Settings,
        store: CaptionStore,
        line_up: str | Sequence[str | PerceptionTool],
        folder: VideoFolder,
        results: Results,
        items: Sequence[Item],
        on_answer: Callable[[int, int], None] | None,
    ) -> None:
        self._settings, self._store, self._line_up, self._folder = settings, store, line_up, folder
        self._results, self._on_answer = results, on_answer
        self._missing: dict[str, str] = {}
        self._guard = threading.Lock()
        # A sense works on one video at a time.
        self._watching = threading.Lock()
        self._by_video: dict[tuple[str, Interval | None], list[Item]] = {}
        for item in items:
            self._by_video.setdefault((item.video, item.window), []).append(item)
        open_ = [(name, i.id) for name, _ in settings.named for i in items if not results.has(name, i.id)]
        self._total, self._done = len(open_), 0
        self._stop = threading.Event()

    def run(self) -> dict[str, str]:
        """Ask all that is open; return the videos that are missing, and why."""
        with ThreadPoolExecutor(self._settings.jobs, "videochat-evaluate") as pool:
            try:
                # Consumed, so that what no contender can help raises here.
                list(pool.map(lambda one: self._video(*one), self._by_video.items()))
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return self._missing

    def _video(self, place: tuple[str, Interval | None], items: Sequence[Item]) -> None:
        name, window = place
        if self._stop.is_set():
            return
        open_ = {who: [i for i in items if not self._results.has(who, i.id)] for who, _ in self._settings.named}
        try:
            video = self._folder.open(name, window)
            if any(open_[who] and contender.reads_captions for who, contender in self._settings.named):
                self._watch(video)
        except Exception as error:
            with self._guard:
                self._missing[name] = why(error)
            self._tell(sum(map(len, open_.values())))
            return
        for who, contender in self._settings.named:
            if open_[who]:
                self._contender(who, contender, video, open_[who])

    def _watch(self, video: Video) -> None:
        wanted = [contender for _, contender in self._settings.named if contender.reads_captions]
        with self._watching:
            for contender in wanted:
                if self._stop.is_set():
                    return
                try:
                    answering = Answering(contender, self._store, self._line_up)
                except VideoChatError:
                    continue  # its predictions say why
                try:
                    answering.agent(video)
                finally:
                    answering.close()

    def _contender(self, who: str, contender: Contender, video: Video, items: Sequence[Item]) -> None:
        answering: Answering | None = None
        problem = ""
        try:
            answering = Answering(contender, self._store, self._line_up)
        except Exception as error:
            problem = why(error)
        try:
            for item in items:
                if self._stop.is_set():
                    return
                prediction = Prediction(who, item.id, problem=problem)
                if answering is not None:
                    prediction = _predict(who, answering, video, item)
                self._results.add(prediction)
                self._tell(1)
        finally:
            if answering is not None:
                answering.close()

    def _tell(self, count: int) -> None:
        with self._guard:
            self._done += count
            if self._on_answer is not None:
                self._on_answer(self._done, self._total)


def _predict(who: str, answering: Answering, video: Video, item: Item) -> Prediction:
    try:
        reply = answering.reply(video, item.question, item.options or None, after=item.after)
    except Exception as error:
        return Prediction(who, item.id, problem=why(error))
    answer = reply.answer
    return Prediction(who, item.id, answer.text, answer.status, tuple(reply.cited), reply.invented, usage=answer.usage)


def shuffled(item: Item, seed: int) -> Item:
    """Return an item with its options in another order, which depends on its id and a seed alone."""
    order = list(range(len(item.options)))
    random.Random(f"{seed} {item.id}").shuffle(order)
    right = None if item.right is None else order.index(item.right)
    return replace(item, options=tuple(item.options[n] for n in order), right=right)


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return so many items, the first ones of each video before the second ones."""
    rounds: dict[str, int] = {}
    numbered = []
    for place, item in enumerate(items):
        rounds[item.video] = turn = rounds.get(item.video, -1) + 1
        numbered.append((turn, place))
    return [items[place] for place in sorted(place for _, place in sorted(numbered)[:count])]


def _digest(items: Sequence[Item]) -> str:
    """Return 12 hex digits of the questions, their options and what is right."""
    digest = hashlib.blake2b(digest_size=6)
    for item in items:
        digest.update(repr((item.id, item.video, item.question, item.options, item.right, item.spans)).encode())
    return digest.hexdigest()


def benchmark_of(name: str) -> Benchmark:
    """Return a benchmark by its name.

    Raises:
        UnknownName: there is none.
    """
    if name not in BENCHMARKS:
        raise UnknownName("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]
