"""Readers of live bytes: a port, a program, a file that grows; each waits for a while, and says when what came."""

from __future__ import annotations

import ipaddress
import os
import select
import socket
import struct
import subprocess
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ffmpeg

from videochat.ffmpeg import ffmpeg_exe
from videochat.transport_stream import TransportStream

OPEN_SECONDS = 15.0
"""How long a source may take to answer."""
SILENCE_SECONDS = 10.0
"""A line on which nothing comes for so long is cut."""
_GROWTH_POLL_SECONDS = 0.1


class Incoming:
    """Bytes as they come, for FFmpeg to read, and when each of the latest came."""

    def __init__(self, reader: TransportStream) -> None:
        self._reader: TransportStream | None = reader
        self._position = 0
        self._came: deque[tuple[int, float]] = deque(maxlen=4096)

    def read(self, size: int = -1) -> bytes:
        """Return what has come, waiting for it; nothing at the end."""
        piece = b"" if self._reader is None else self._reader.read1(size if size > 0 else 2**15)
        self._came.append((self._position, time.time()))
        self._position += len(piece)
        return piece

    def arrived_at(self, position: int) -> float | None:
        """Return when the byte at a position came, in seconds since 1970; None where that is long ago."""
        if not self._came or position < self._came[0][0]:
            return None
        return self._came[bisect_right(self._came, position, key=lambda came: came[0]) - 1][1]

    def rest(self) -> TransportStream | None:
        """Return what begins where it ended, on the same line, for another to read and close; None for nothing."""
        if self._reader is None or not self._reader.changed:
            return None
        rest, self._reader = self._reader.rest(), None
        return rest

    def close(self) -> None:
        """Hang up, unless another reads on."""
        if self._reader is not None:
            self._reader.close()


class Datagrams:
    """What is sent to a port; of a group, where the address is one.

    Raises:
        OSError: the port cannot be had.
    """

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        self._socket.settimeout(SILENCE_SECONDS)
        try:
            self._socket.bind((host, port))
            address = ipaddress.ip_address(self._socket.getsockname()[0].partition("%")[0])
            if address.is_multicast and address.version == 4:
                member = struct.pack("=4sI", address.packed, socket.INADDR_ANY)  # of whichever interface reaches it
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        except BaseException:
            self._socket.close()
            raise

    def read1(self, size: int) -> bytes:
        """Return the next datagram."""
        return self._socket.recv(max(size, 2**16))

    def close(self) -> None:
        """Let the port go."""
        self._socket.close()


class Program:
    """What FFmpeg's program gets over SRT, which PyAV is not built with; the packets of the stream as they are."""

    def __init__(self, address: str) -> None:
        source = ffmpeg.input(address, format="mpegts", protocol_whitelist="srt,udp", analyzeduration=1_000_000)
        # Without a delay of the muxer, and with the timestamps of the source.
        form = {"c": "copy", "format": "mpegts", "muxdelay": 0, "muxpreload": 0}
        job = ffmpeg.output(source, "pipe:", flush_packets=1, **form).global_args("-copyts")
        self._process = subprocess.Popen(
            job.compile(cmd=[ffmpeg_exe(), "-v", "error", "-nostdin"]), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._pieces: Any = self._process.stdout
        self._errors: Any = self._process.stderr
        self._came = False

    def read1(self, size: int) -> bytes:
        """Return what comes next, waiting for it; nothing at the end.

        Raises:
            TimeoutError: nothing comes.
            OSError: nobody answers.
        """
        seconds = SILENCE_SECONDS if self._came else OPEN_SECONDS
        if not select.select([self._pieces], [], [], seconds)[0]:
            raise TimeoutError(f"nothing came for {seconds:g} seconds")
        piece = os.read(self._pieces.fileno(), size)
        if not piece and not self._came:
            said = self._errors.read().decode(errors="replace").split("\n")[0]
            raise OSError(said.rpartition("] ")[2] or "nobody answers")
        self._came = True
        return piece

    def close(self) -> None:
        """Hang up."""
        self._process.kill()
        self._process.wait()


class Growing:
    """A file that is read as it is written; its end is where it has not grown for a while."""

    def __init__(self, path: Path, stopped: Callable[[], bool]) -> None:
        self._file, self._stopped = path.open("rb"), stopped

    def read1(self, size: int) -> bytes:
        """Return what comes next, waiting for it; nothing at the end."""
        until = time.monotonic() + SILENCE_SECONDS
        while not (piece := self._file.read(size)) and time.monotonic() < until and not self._stopped():
            time.sleep(_GROWTH_POLL_SECONDS)
        return piece

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
