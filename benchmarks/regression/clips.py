"""The clips of the regression benchmark: three of `examples/`, and three that are drawn."""

from __future__ import annotations

import shutil
from pathlib import Path

from videochat.testing import Scene, draw_video

EXAMPLES = Path(__file__).parents[2] / "examples"
REAL = ("jfk_slides.mp4", "friday.mp4", "friday.vtt", "nasa_13013.mp4")
BAKERY = (
    Scene(4, "MILL STREET\nBAKERY", "white"),
    Scene(4, "Open 7 to 6", "navy"),
    Scene(4, "Rye bread 4.50", "darkgreen"),
    Scene(4, "Apple cake 3.20", "maroon"),
    Scene(4, "Closed on Monday", "white"),
    Scene(4, "Phone 555 0142", "black"),
)
GARDEN = (Scene(15, "", "darkgreen"), Scene(15, "", "olive"))
GARDEN_WORDS = (
    (1.0, 4.0, "Welcome to the garden of my grandmother."),
    (5.0, 8.0, "In March we sow the carrots."),
    (9.0, 12.0, "The tomatoes need water every evening."),
    (13.0, 16.0, "Last year a hedgehog lived under the hedge."),
    (17.0, 20.0, "We never use poison against snails."),
    (21.0, 24.0, "The pears are picked in October."),
    (25.0, 28.0, "Come back when the roses bloom."),
)
LIGHTS = (Scene(5, "", "black"), Scene(5, "", "white"), Scene(5, "", "red", moving=True), Scene(5, "", "blue"))


def draw_clips(folder: Path) -> None:
    """Put the clips into a folder; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in REAL:
        shutil.copyfile(EXAMPLES / name, folder / name)
    if not (path := folder / "bakery.mp4").exists():
        draw_video(path, BAKERY, frame_rate=5)
    if not (path := folder / "garden.mp4").exists():
        draw_video(path, GARDEN, frame_rate=5, subtitles=GARDEN_WORDS)
    if not (path := folder / "lights.mp4").exists():
        draw_video(path, LIGHTS, frame_rate=10)
