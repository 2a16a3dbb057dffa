"""A video on a real Ray worker that is killed meanwhile; the whole proof is `python -m benchmarks.fleet ray`."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.fakes.watching import KilledOnce
from tests.stories.test_chroma_server import url  # noqa: F401 - a fixture
from videochat.agent import watch_on_ray
from videochat.media import Video
from videochat.memory import CaptionStore

pytestmark = [pytest.mark.material, pytest.mark.enable_socket]


def test_a_worker_that_dies_loses_nothing(
    url: str,  # noqa: F811
    silent: Video,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    mark = tmp_path / "killed"
    (result,) = watch_on_ray(silent.path, memory=url, preset=[KilledOnce(str(mark))], workers=1)
    assert (result.name, result.error) == ("silent.mp4", None)
    assert mark.read_text() == str(int(signal.SIGKILL))
    with CaptionStore(url, embeddings="builtin") as store:
        stored = store.captions_of(silent.id)
        seconds = [caption.start_seconds for caption in stored.between(kinds=["tags"])]
        assert seconds == [float(second) for second in range(12)]
        assert stored.gaps() == []
