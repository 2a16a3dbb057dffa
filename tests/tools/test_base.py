"""What a perception tool says of itself: its source at a rate, its input, its memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import pytest

from tests.fakes.senses import run
from videochat.devices import Device
from videochat.errors import InvalidArgument
from videochat.frames import Frame, Sampling
from videochat.hub import Weights
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled, at_rate, has_rate


class Brightness(PerceptionTool):
    """The mean of each picture."""

    name: ClassVar[str] = "brightness"
    kind: ClassVar[Kind] = "tags"
    sees: ClassVar[str] = "how bright it is"

    def __init__(self, every_seconds: float | None = 1.0) -> None:
        self.needs: Needs = Sampling(every_seconds)

    def usual_source(self) -> str:
        return "mean"

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        for frame in stream:
            text = f"mean {frame.image.mean():.0f}"
            yield Caption(video.id, frame.seconds, frame.end_seconds, self.kind, text, self.source)
        yield Settled(end_seconds)


def test_the_rate_is_part_of_the_source() -> None:
    usual = Brightness()
    denser = at_rate(usual, 4)
    assert (usual.source, usual.fps) == ("mean", None)
    assert (denser.source, denser.fps, denser.needs) == ("mean@4fps", 4, Sampling(0.25))
    assert denser.version is not None
    assert at_rate(denser, 0.5).source == "mean@0.5fps", "the last rate counts"


def test_a_text_given_as_source_is_told_apart_by_rate() -> None:
    class Given(Brightness):
        source = "given"

        def usual_source(self) -> str:
            return PerceptionTool.usual_source(self)

    class Set(Brightness):
        def __init__(self) -> None:
            super().__init__()
            self.source = "set"

        def usual_source(self) -> str:
            return PerceptionTool.usual_source(self)

    for tool, source in ((Given(), "given"), (Set(), "set")):
        assert tool.source == source
        assert at_rate(tool, 2).source == f"{source}@2fps"


def test_a_tool_of_every_picture_has_no_rate() -> None:
    every = Brightness(None)
    assert not has_rate(every)
    assert at_rate(every, 4) is every


@pytest.mark.parametrize("fps", [0, -1, 1e4, float("nan")])
def test_a_rate_that_is_none_is_refused(fps: float) -> None:
    with pytest.raises(InvalidArgument, match=r"between 0\.001 and 1000"):
        at_rate(Brightness(), fps)


def test_run_gives_the_pictures_of_a_range(clip: Video) -> None:
    *captions, last = run(Brightness(), clip, 2.0, 5.0)
    assert [(c.start_seconds, c.end_seconds) for c in captions if isinstance(c, Caption)] == [(2, 3), (3, 4), (4, 5)]
    assert last == Settled(5.0)
    with pytest.raises(InvalidArgument, match="holds nothing"):
        run(Brightness(), clip, 20.0)


def test_memory_is_that_of_its_own_device() -> None:
    import torch

    class Heavy(Brightness):
        weights = Weights("some/model", memory_mb=100)
        floats: Any = torch.float32

        @property
        def device(self) -> Device:
            return Device("cpu", self.floats)

    heavy = Heavy()
    assert heavy.memory_bytes() == 200_000_000
    heavy.floats = torch.bfloat16
    assert heavy.memory_bytes() == 100_000_000
    assert Brightness().memory_bytes() == 0


def test_why_there_is_nothing_to_do(silent: Video, sound_only: Video) -> None:
    assert Brightness().unfit(silent) is None
    assert Brightness().unfit(sound_only) == "there are no pictures"
