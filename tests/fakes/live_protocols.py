"""Senders of a camera by the protocols that FFmpeg opens by itself, and by UDP and HTTP; each to one client."""

from __future__ import annotations

import base64
import contextlib
import http.server
import socket
import subprocess
import threading
from typing import Any

import av
import numpy as np

from tests.fakes.live_sender import Camera, encode, encoder
from videochat.ffmpeg import ffmpeg_exe

NAME, PASSWORD = "viewer", "let me in"
_SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=camera
c=IN IP4 0.0.0.0
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:track1
"""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class PushSender:
    """Writes a camera into an address of FFmpeg's.

    Args:
        camera: what is sent.
        target: the address, or what bytes are written to.
        form: the container.
        options: of the muxer and the protocol.
    """

    def __init__(self, camera: Camera, target: Any, form: str, **options: str) -> None:
        self.camera = camera
        self._target, self._form, self._options = target, form, options
        self._guard = threading.Lock()
        self._container: Any = None
        self._stream: Any = None
        threading.Thread(target=self._open, daemon=True).start()

    def _open(self) -> None:
        container = av.open(self._target, "w", format=self._form, options=self._options | {"flush_packets": "1"})
        with self._guard:
            self._container, self._stream = container, encoder(container)
        self.camera.listeners.append(self._send)

    def _send(self, number: int, image: np.ndarray, taken_at: float) -> None:
        with self._guard:
            if self._container is None:
                return
            try:
                encode(self._container, self._stream, taken_at - self.camera.began_at, image)
            except (OSError, av.error.FFmpegError):
                # The container is left to itself: closing it would write.
                self._container = None

    def close(self) -> None:
        """Send nothing more."""
        with self._guard:
            self._container = None


class ProgramSender:
    """Has FFmpeg's program serve a camera at an address, to whoever comes first.

    Args:
        camera: what is sent.
        address: where it listens.
        form: the container.
        options: of the program.
    """

    def __init__(self, camera: Camera, address: str, form: str, *options: str) -> None:
        incoming = ["-fflags", "nobuffer", "-copyts", "-f", "mpegts", "-i", "pipe:"]
        outgoing = ["-c", "copy", "-muxdelay", "0", "-muxpreload", "0", *options, "-f", form, address]
        command = [ffmpeg_exe(), "-v", "error", *incoming, *outgoing]
        self._program = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._sender = PushSender(camera, self._program.stdin, "mpegts")

    def close(self) -> None:
        """End the program."""
        self._sender.close()
        self._program.kill()
        self._program.wait()


def udp(camera: Camera) -> tuple[str, Any]:
    """Return (address, what to close) of an MPEG transport stream over UDP."""
    address = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    return address, PushSender(camera, f"{address}?pkt_size=1316", "mpegts")


def srt(camera: Camera) -> tuple[str, Any]:
    """Return the same over SRT."""
    address = f"srt://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    return address, ProgramSender(camera, f"{address}?mode=listener", "mpegts")


def rtmp(camera: Camera) -> tuple[str, Any]:
    """Return the same over RTMP."""
    address = f"rtmp://127.0.0.1:{free_port()}/live/camera"
    return address, ProgramSender(camera, address, "flv", "-listen", "1")


def over_http(camera: Camera) -> tuple[str, Any]:
    """Return the same of Matroska over HTTP, in one answer without end."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/x-matroska")
            self.end_headers()
            sender = PushSender(camera, self.wfile, "matroska", live="1", cluster_time_limit="200")
            camera.stopped.wait()
            sender.close()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"live:http://127.0.0.1:{server.server_port}/camera.mkv", _Server(server)


class _Server:
    def __init__(self, server: http.server.ThreadingHTTPServer) -> None:
        self._server = server

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class RtspSender:
    """Serves a camera as H.264 over RTSP, its packets within the connection, to who knows the password.

    Args:
        camera: what is sent.
    """

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.refused = 0
        """How many requests came without the password."""
        self._server = socket.create_server(("127.0.0.1", 0))
        port = self._server.getsockname()[1]
        self.address = f"rtsp://{NAME}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/stream1"
        # FFmpeg's own muxer makes the packets; they come here by UDP and go on by RTSP.
        self._packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._packets.bind(("127.0.0.1", 0))
        self._sender = PushSender(camera, f"rtp://127.0.0.1:{self._packets.getsockname()[1]}?pkt_size=1200", "rtp")
        self._playing: socket.socket | None = None
        for work in (self._accept, self._hand_on):
            threading.Thread(target=work, daemon=True).start()

    def _hand_on(self) -> None:
        with contextlib.suppress(OSError):
            while packet := self._packets.recv(2**16):
                if (client := self._playing) is not None:
                    try:
                        client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
                    except OSError:
                        self._playing = None

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        known = base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
        with contextlib.suppress(OSError), client, client.makefile("rb") as lines:
            while request := lines.readline().decode().split():
                headers = {}
                while line := lines.readline().decode().strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                lines.read(int(headers.get("content-length", 0)))
                answer = [f"CSeq: {headers.get('cseq', 0)}", "Session: 1;timeout=60"]
                body, status = "", "200 OK"
                if request[0] != "OPTIONS" and headers.get("authorization") != f"Basic {known}":
                    self.refused += 1
                    status = "401 Unauthorized"
                    answer.append('WWW-Authenticate: Basic realm="camera"')
                elif request[0] == "OPTIONS":
                    answer.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
                elif request[0] == "DESCRIBE":
                    body = _SDP.replace("\n", "\r\n")
                    answer += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
                elif request[0] == "SETUP":
                    answer.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
                client.sendall("\r\n".join([f"RTSP/1.0 {status}", *answer, "", body]).encode())
                if status == "200 OK" and request[0] == "PLAY":
                    self._playing = client
                elif request[0] == "TEARDOWN":
                    self._playing = None

    def close(self) -> None:
        """Hang up."""
        self._server.close()
        self._sender.close()
        self._packets.close()


def rtsp(camera: Camera) -> tuple[str, Any]:
    """Return (address, what to close) of RTSP."""
    sender = RtspSender(camera)
    return sender.address, sender
