"""Draw docs/answer.png: the README's question put to the demo clip, as it comes out without a language model.

python runs/answer_picture.py docs/answer.png
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from videochat import CaptionStore, VideoAgent
from videochat.demo import draw_demo
from videochat.intervals import clock, clock_range

QUESTION = "When is the milk poured?"
COLOURS = {"speech": "#4c78a8", "ocr": "#f58518", "shot": "#54a24b", "measure": "#b8b8b8"}


def draw(agent: VideoAgent, out: Path) -> None:
    """Ask, and draw question, answer, the cited moment, and the captions over time with the cited one marked."""
    answer = agent.ask(QUESTION)
    cited = answer.citations[0]
    figure = Figure(figsize=(10, 4.2), facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.03, 0.92, QUESTION, fontsize=15, color="#666666")
    figure.text(0.03, 0.83, answer.text.splitlines()[0], fontsize=15, weight="bold")
    when = clock_range(cited.start_seconds, cited.end_seconds)
    figure.text(0.36, 0.68, f"[{when}]  {cited.caption.kind}", fontsize=12, color=COLOURS[cited.caption.kind])
    figure.text(0.36, 0.60, cited.caption.text, fontsize=12)
    figure.text(
        0.36, 0.50, f"{answer.status}, {answer.usage.seconds:.2f} s, no language model", fontsize=10, color="#666666"
    )
    picture = cited.thumbnail() if cited.thumbnail else None
    if picture:
        axes = figure.add_axes((0.03, 0.40, 0.30, 0.36))
        axes.imshow(Image.open(io.BytesIO(picture)))
        axes.set_xticks([])
        axes.set_yticks([])
    lanes = figure.add_axes((0.09, 0.11, 0.88, 0.24))
    kinds = [kind for kind in COLOURS if any(caption.kind == kind for caption in agent.captions())]
    for row, kind in enumerate(reversed(kinds)):
        for caption in agent.captions(kind):
            width = caption.end_seconds - caption.start_seconds
            alpha = 1.0 if caption.id == cited.caption.id else 0.35
            lanes.barh(row, width - 0.06, left=caption.start_seconds, height=0.7, color=COLOURS[kind], alpha=alpha)
    lanes.set_yticks(range(len(kinds)), list(reversed(kinds)))
    seconds = range(0, int(agent.video.duration_seconds) + 1, 5)
    lanes.set_xticks(list(seconds), [clock(second) for second in seconds])
    lanes.set_xlim(0, agent.video.duration_seconds)
    for side in ("top", "right", "left"):
        lanes.spines[side].set_visible(False)
    lanes.tick_params(left=False)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Draw the clip, watch it into a store of its own, ask, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, CaptionStore(folder, embeddings="builtin") as memory:
        clip = draw_demo(Path(folder) / "kitchen.mp4")
        draw(VideoAgent(clip, llm="extractive", preset="builtin", memory=memory), options.out)


if __name__ == "__main__":
    main()
