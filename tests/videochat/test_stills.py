"""Pictures as videos of one picture: every form that files have, and those that cannot be read."""

from __future__ import annotations

import importlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from videochat.agent import VideoAgent
from videochat.errors import MediaError
from videochat.media import Video

RED = (200, 30, 20)


def drawn(width: int = 40, height: int = 24) -> Image.Image:
    """Red, with a blue quarter at the upper left."""
    image = Image.new("RGB", (width, height), RED)
    image.paste((20, 30, 200), (0, 0, width // 2, height // 2))
    return image


def test_a_photo_is_a_video_of_one_picture(tmp_path: Path) -> None:
    drawn().save(tmp_path / "photo.png")
    video = Video(tmp_path / "photo.png")
    assert video.is_picture
    assert (video.size, video.duration_seconds, video.has_video, video.has_audio) == ((40, 24), 1.0, True, False)
    (frame,) = list(video.frames(every_seconds=0.1))
    assert (frame.seconds, frame.end_seconds) == (0, 1)
    assert np.array_equal(frame.image, np.asarray(drawn()))
    assert [f.seconds for f in video.frames(at_seconds=[0.2, 0.9, 0.0])] == [0.2, 0.9, 0.0]
    assert next(video.frames(at_seconds=[0.5], max_side=20)).image.shape == (12, 20, 3)
    assert video.id == Video(tmp_path / "photo.png").id
    assert "frames" not in repr(video)


@pytest.mark.parametrize(
    ("name", "mode", "saved"),
    [
        ("a.jpg", "RGB", {"quality": 95}),
        ("a.jpg", "CMYK", {"quality": 95}),
        ("a.jpg", "L", {}),
        ("a.png", "P", {}),
        ("a.png", "RGBA", {}),
        ("a.webp", "RGB", {"lossless": True}),
        ("a.gif", "P", {}),
        ("a.bmp", "RGB", {}),
        ("a.tiff", "CMYK", {}),
        ("a.avif", "RGB", {}),
        ("no suffix", "RGB", {"format": "PNG"}),
    ],
)
def test_every_form_becomes_eight_bits_of_rgb(tmp_path: Path, name: str, mode: str, saved: dict) -> None:
    drawn().convert(mode).save(tmp_path / name, **saved)
    image = Video(tmp_path / name).frame_at(0.0).image
    assert image.shape == (24, 40, 3)
    wanted = np.asarray(drawn().convert("L").convert("RGB") if mode == "L" else drawn())
    assert np.abs(image[18:, 30:].mean((0, 1)) - wanted[18:, 30:].mean((0, 1))).max() < 12


def test_sixteen_bits_keep_their_light(tmp_path: Path) -> None:
    levels = np.tile(np.linspace(0, 65535, 40).astype(np.uint16), (24, 1))
    Image.fromarray(levels).save(tmp_path / "grey.png")
    image = Video(tmp_path / "grey.png").frame_at(0.0).image
    assert (image[0, 0, 0], image[0, -1, 0]) == (0, 255)
    assert abs(int(image[0, 20, 0]) - 131) <= 1
    colour = np.zeros((24, 40, 3), ">u2")
    colour[..., 0], colour[..., 1] = 0xC8C8, 0x1E1E
    (tmp_path / "colour.png").write_bytes(_png16(colour))
    assert Video(tmp_path / "colour.png").frame_at(0.0).image[0, 0].tolist() == [200, 30, 0]


def _png16(pixels: np.ndarray) -> bytes:
    """Return a PNG of three times 16 bits."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_stand_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = drawn()
    way = Image.Transpose
    turned = [
        way.FLIP_LEFT_RIGHT,
        way.ROTATE_180,
        way.FLIP_TOP_BOTTOM,
        way.TRANSPOSE,
        way.ROTATE_90,
        way.TRANSVERSE,
        way.ROTATE_270,
    ]
    stored = upright if orientation == 1 else upright.transpose(turned[orientation - 2])
    stored.save(tmp_path / "turned.jpg", quality=100, subsampling=0, exif=exif)
    video = Video(tmp_path / "turned.jpg")
    assert video.size == (40, 24)
    assert np.abs(video.frame_at(0).image.astype(int) - np.asarray(upright)).mean() < 4


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert Video(tmp_path / "clear.png").frame_at(0).image.min() == 255


@pytest.mark.parametrize("suffix", ["webp", "gif", "png"])
def test_animations_are_videos_with_their_own_times(tmp_path: Path, suffix: str) -> None:
    shades = [Image.new("RGB", (32, 32), (value, 0, 0)) for value in (0, 120, 240)]
    path = tmp_path / f"moving.{suffix}"
    shades[0].save(path, save_all=True, append_images=shades[1:], duration=[200, 400, 600], loop=0)
    video = Video(path)
    assert not video.is_picture
    assert video.duration_seconds == pytest.approx(1.2, abs=0.15)
    found = [frame.image[0, 0, 0] for frame in video.frames(at_seconds=[0.1, 0.3, 0.55, 0.7, 1.1])]
    assert np.abs(np.array(found, int) - [0, 120, 120, 240, 240]).max() < 12
    assert len(list(video.frames(every_seconds=0.2))) in (6, 7)


def test_the_smallest_picture_can_be_watched(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), RED).save(tmp_path / "dot.png")
    with VideoAgent(tmp_path / "dot.png", preset="builtin", memory=tmp_path / "memory") as agent:
        assert not agent.watch().gaps
        assert agent.ask("What is the resolution?").text == "The picture is 1 x 1 pixels (square). [00:00-00:01]"


def test_a_picture_beyond_all_measure_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    (tmp_path / "vast.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + b"\0\0\0\0")
    with pytest.raises(MediaError, match=r"has 400,000,000 pixels; those of up to 150,000,000 are read"):
        Video(tmp_path / "vast.png")


@pytest.mark.parametrize("kept", [30, 400])
def test_a_picture_that_is_cut_short_is_one_sentence(tmp_path: Path, kept: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:kept])
    with pytest.raises(MediaError) as caught:
        Video(tmp_path / "cut.png")
    assert "cut.png" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_heic_names_the_package_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    with pytest.raises(MediaError, match="pip install pillow-heif"):
        Video(tmp_path / "photo.heic")


def test_heic_is_read_upright(tmp_path: Path) -> None:
    importlib.import_module("pillow_heif").register_heif_opener()
    turned = Image.Exif()
    turned[0x0112] = 6  # stored on its left side
    halves = np.zeros((60, 80, 3), np.uint8)
    halves[:, 40:] = 255
    Image.fromarray(halves).save(tmp_path / "photo.heic", exif=turned.tobytes(), quality=95)
    video = Video(tmp_path / "photo.heic")
    assert video.size == (60, 80)
    image = video.frame_at(0).image
    assert image[10].mean() < 10
    assert image[70].mean() > 245


def test_only_senses_that_make_sense_look_at_a_picture(tmp_path: Path) -> None:
    drawn(640, 400).save(tmp_path / "photo.jpg")
    with VideoAgent(tmp_path / "photo.jpg", preset="builtin", memory=tmp_path / "memory") as agent:
        report = agent.watch()
        assert set(report.skipped) == {"subtitles", "speech_regions", "shots", "loudness"}
        assert "nothing moves" in report.skipped["shots"]
        (measure,) = agent.captions("measure")
        assert (measure.start_seconds, measure.end_seconds) == (0, 1)
        assert "camera" not in measure.attributes
        text = agent.messages("What is it?")[-1].text
        assert "Picture photo.jpg: 640x400 pixels. Noted:" in text
        assert "cuts" not in text
        assert agent.ask("What colours are there?").status == "grounded"
