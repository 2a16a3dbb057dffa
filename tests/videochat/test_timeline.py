"""Captions over time, as a figure and as text."""

from pathlib import Path
from typing import Any

from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure

from videochat import VideoAgent
from videochat.memory import CaptionStore
from videochat.records import Caption
from videochat.timeline import draw_timeline, print_timeline

CAPTIONS = [
    Caption("v1", 0.0, 5.0, "speech", "it costs $3 and $4", "test"),
    Caption("v1", 5.0, 20.0, "ocr", "THE END", "test"),
]


def test_the_figure_has_a_lane_for_each_kind(tea: Path, tea_memory: CaptionStore) -> None:
    figure = VideoAgent(tea, memory=tea_memory, llm="extractive").timeline()
    assert isinstance(figure, Figure)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["speech", "ocr", "shot", "measure"]
    assert figure.axes[0].get_xlim() == (0, 20)


def test_bars_lie_where_captions_are_and_words_are_no_formulas(tmp_path: Path) -> None:
    figure = draw_timeline(CAPTIONS, 10.0, title="tea.mp4")
    patches: Any = figure.axes[0].patches  # rectangles, which their type does not tell
    bars = [(bar.get_x(), bar.get_width()) for bar in patches]
    assert bars == [(0, 5), (5, 5)], "what lasts longer than the video is cut"
    assert [text.get_text() for text in figure.axes[0].texts] == ["it costs \\$3 and \\$4", "THE END"]
    figure.savefig(tmp_path / "timeline.png")


def test_a_notebook_shows_the_picture() -> None:
    figure: Any = draw_timeline(CAPTIONS, 10.0)
    data, _ = DisplayFormatter().format(figure)
    assert data["image/png"].startswith(b"\x89PNG")


def test_without_captions_it_says_so() -> None:
    assert draw_timeline([], 10.0).axes[0].get_title(loc="left") == "Nothing has been watched yet"
    assert print_timeline([], 10.0, width=30) == "  00:00" + "00:10".rjust(23)


def test_text_lanes_are_as_wide_as_asked() -> None:
    speech, ocr, axis = print_timeline(CAPTIONS, 20.0, width=48).splitlines()
    assert speech == "speech  " + "█" * 10 + "·" * 30
    assert ocr == "ocr     " + "·" * 10 + "█" * 30
    assert axis == "        00:00" + "00:20".rjust(35)
