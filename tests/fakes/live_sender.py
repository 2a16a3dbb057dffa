"""Senders of live streams for tests: pictures that carry their number and the time they were drawn, over loopback."""

from __future__ import annotations

import functools
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

RATE = 10
SIZE = (320, 180)
_TICKS = 90_000
_CELL, _BITS = 8, 36  # width of a bit in pixels; bits in a row


def draw(number: int, taken_at: float, *, person: bool = False, words: str = "") -> np.ndarray:
    """Return a picture, uint8 (height, width, 3), that tells its number and its time in two rows of black and white.

    Args:
        number: of the picture.
        taken_at: seconds since 1970; told to the millisecond of a day.
        person: whether a magenta figure stands in it.
        words: written into it.
    """
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", SIZE, "gray")
    pen = ImageDraw.Draw(image)
    for row, value in enumerate((number, round(taken_at * 1000) % 86_400_000)):
        for bit in range(_BITS):
            colour = "white" if value >> bit & 1 else "black"
            pen.rectangle((4 + bit * _CELL, 4 + row * 14, 4 + bit * _CELL + _CELL - 1, 16 + row * 14), fill=colour)
    pen.ellipse((20 + number * 3 % 200, 140, 40 + number * 3 % 200, 160), fill="darkgreen")
    if person:
        pen.rectangle((250, 60, 280, 150), fill="magenta")
    if words:
        pen.text((20, 60), words, fill="black", font=ImageFont.load_default(24))
    return np.asarray(image)


def read(image: np.ndarray) -> tuple[int, float]:
    """Return the number that a picture tells, and its second of the day in UTC."""
    scale = image.shape[1] / SIZE[0]
    values = []
    for row in range(2):
        y = round((10 + row * 14) * scale)
        bits = [image[y, round((4 + bit * _CELL + _CELL // 2) * scale)].mean() > 128 for bit in range(_BITS)]
        values.append(sum(1 << bit for bit, on in enumerate(bits) if on))
    return values[0], values[1] / 1000


def has_person(image: np.ndarray) -> bool:
    """Whether the magenta figure stands in a picture."""
    red, green, blue = (image[..., channel].astype(int) for channel in range(3))
    return bool(((red > 150) & (blue > 150) & (green < 100)).mean() > 0.005)


Script = Callable[[float], dict[str, Any]]
"""Given the second since the sender began, what `draw` is told besides."""


class Camera(threading.Thread):
    """Draws pictures in real time, and hands them to who listens. Where it has no time to, they come later.

    Args:
        script: what is seen when.
    """

    def __init__(self, script: Script = lambda _: {}) -> None:
        super().__init__(daemon=True)
        self.script = script
        self.listeners: list[Callable[[int, np.ndarray, float], None]] = []
        """Called with the number of a picture, the picture, and when it was drawn."""
        self.began_at = 0.0
        """When picture 0 was drawn, in seconds since 1970."""
        self.stopped = threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        self.began_at = time.time()
        number = 0
        while not self.stopped.wait(max(began + number / RATE - time.monotonic(), 0)):
            taken_at = time.time()
            image = draw(number, taken_at, **self.script(taken_at - self.began_at))
            for listener in list(self.listeners):
                listener(number, image, taken_at)
            number += 1


def encoder(container: Any, *, key_every: int = RATE, size: tuple[int, int] = SIZE, codec: str = "libx264") -> Any:
    """Return a stream of pictures in a container that is encoded without delay."""
    stream = container.add_stream(codec, rate=RATE)
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
    if codec == "libx265":
        keys = f"keyint={key_every}:min-keyint={key_every}:scenecut=0:log-level=none"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "x265-params": keys}
    elif codec == "libx264":
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "g": str(key_every)}
        stream.options |= {"keyint_min": str(key_every), "sc_threshold": "0"}
    return stream


def encode(container: Any, stream: Any, seconds: float, image: np.ndarray) -> None:
    """Encode a picture into a container, at a second of its clock."""
    make: Any = av.VideoFrame.from_ndarray
    frame = make(image, format="rgb24").reformat(stream.width, stream.height, "yuv420p")
    frame.pts, frame.time_base = round(seconds * _TICKS), Fraction(1, _TICKS)
    container.mux(stream.encode(frame))


class _Socket:
    """What a container writes into: the connection of one client."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def write(self, data: bytes) -> int:
        self.connection.sendall(data)
        return len(data)


class TcpSender:
    """Serves a camera as an MPEG transport stream over TCP, to one client at a time.

    Args:
        camera: what is sent.
        settings: of the encoder, asked for each connection.
    """

    def __init__(self, camera: Camera, settings: Callable[[], dict[str, Any]] = dict) -> None:
        self.camera, self.settings = camera, settings
        self.shift_seconds = 0.0
        """What is added to the timestamps."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._guard = threading.Lock()
        self._client: socket.socket | None = None
        self._container: Any = None
        self._stream: Any = None
        self.refusing = False
        """Whether clients are turned away."""
        camera.listeners.append(self._send)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.refusing:
                client.close()
                continue
            with self._guard:
                self._drop()
                self._client = client
                self._begin(client)

    def _begin(self, client: socket.socket) -> None:
        self._container = av.open(_Socket(client), "w", format="mpegts", options={"flush_packets": "1"})
        self._stream = encoder(self._container, **self.settings())

    def change(self, **settings: Any) -> None:
        """Go on with other settings of the encoder, on the same line."""
        with self._guard:
            self.settings = lambda: settings
            if self._client is not None:
                self._begin(self._client)

    def _send(self, number: int, image: np.ndarray, taken_at: float) -> None:
        with self._guard:
            if self._client is None:
                return
            try:
                encode(self._container, self._stream, taken_at - self.camera.began_at + self.shift_seconds, image)
            except (OSError, av.error.FFmpegError):
                self._drop()

    def cut(self) -> None:
        """Hang up."""
        with self._guard:
            self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        # The container is left to itself: closing it would write.
        self._client = self._container = self._stream = None

    def close(self) -> None:
        """Hang up for good."""
        self._server.close()
        self.cut()


class HlsSender:
    """Serves a camera as a growing HLS list with `EXT-X-PROGRAM-DATE-TIME`, over HTTP.

    Args:
        camera: what is sent.
        folder: where segments lie.
        segment_pictures: pictures in a segment.
    """

    def __init__(self, camera: Camera, folder: Path, *, segment_pictures: int = RATE) -> None:
        self.camera, self.folder, self.segment_pictures = camera, folder, segment_pictures
        folder.mkdir(parents=True, exist_ok=True)
        self.refusing = False
        """Whether requests are answered with 503."""
        self._listed: list[tuple[str, str]] = []
        self._count = 0
        self._container: Any = None
        self._stream: Any = None
        self._begun = ""
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                if outer.refusing:
                    self.send_error(503)
                else:
                    super().do_GET()

        handler = functools.partial(Handler, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/live.m3u8"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        camera.listeners.append(self._add)

    def _add(self, number: int, image: np.ndarray, taken_at: float) -> None:
        if number % self.segment_pictures == 0:
            if self._container is not None:
                self._container.mux(self._stream.encode())
                self._container.close()
                self._list()
            self._begun = datetime.fromtimestamp(taken_at, UTC).isoformat(timespec="milliseconds")
            self._container = av.open(str(self.folder / f"{self._count}.ts"), "w", format="mpegts")
            self._stream = encoder(self._container, key_every=self.segment_pictures)
        if self._container is not None:
            encode(self._container, self._stream, taken_at - self.camera.began_at, image)

    def _list(self) -> None:
        self._listed = [*self._listed, (f"{self._count}.ts", self._begun)][-6:]
        self._count += 1
        length = self.segment_pictures / RATE
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{max(round(length), 1)}"]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{self._count - len(self._listed)}")
        for name, begun in self._listed:
            lines += [f"#EXT-X-PROGRAM-DATE-TIME:{begun}", f"#EXTINF:{length:.3f},", name]
        fresh = self.folder / "live.part"
        fresh.write_text("\n".join(lines) + "\n")
        fresh.replace(self.folder / "live.m3u8")
        if (old := self.folder / f"{self._count - 12}.ts").exists():
            old.unlink()

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


def pictures(recording: Any) -> Iterator[tuple[float, int, float]]:
    """Yield (second of the recording, number, second of the day) of every picture of a recording."""
    for frame in recording.frames(None):
        yield frame.seconds, *read(frame.image)


def write_numbers(
    path: Path,
    numbers: range,
    *,
    key_every: int = RATE,
    size: tuple[int, int] = SIZE,
    shift_seconds: float = 0.0,
    **drawn: Any,
) -> Path:
    """Write a file whose pictures tell their number, and as their time the number in seconds.

    Args:
        path: the file.
        numbers: of its pictures.
        key_every: pictures between key pictures.
        size: of the pictures.
        shift_seconds: added to the timestamps.
        drawn: further arguments of `draw`.
    """
    with av.open(str(path), "w") as container:
        stream = encoder(container, key_every=key_every, size=size)
        for number in numbers:
            encode(container, stream, number / RATE + shift_seconds, draw(number, number / RATE, **drawn))
        container.mux(stream.encode())
    return path
