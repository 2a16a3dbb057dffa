"""What waits for live bytes gives them as they come, says when they came, and does not wait for ever."""

from __future__ import annotations

import io
import socket
from pathlib import Path
from unittest.mock import Mock, call

import pytest

from videochat import live_readers
from videochat.live_readers import Datagrams, Growing, Incoming, Program
from videochat.transport_stream import TransportStream


def test_it_is_known_when_a_byte_came(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 11.0, 12.0, 13.0])
    monkeypatch.setattr("videochat.live_readers.time.time", lambda: next(now))
    incoming = Incoming(TransportStream(io.BytesIO(b"abcdef")))
    assert [incoming.read(2), incoming.read(3), incoming.read(3)] == [b"ab", b"cde", b"f"]
    assert [incoming.arrived_at(position) for position in (0, 1, 2, 4, 5)] == [10.0, 10.0, 11.0, 11.0, 12.0]
    assert Incoming(TransportStream(io.BytesIO())).arrived_at(0) is None


def test_a_file_that_no_longer_grows_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_readers, "SILENCE_SECONDS", 0.2)
    path = tmp_path / "grown"
    path.write_bytes(b"ab")
    growing = Growing(path, lambda: False)
    assert [growing.read1(10), growing.read1(10)] == [b"ab", b""]
    growing.close()


@pytest.mark.enable_socket
def test_datagrams_come_one_by_one_and_a_silent_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_readers, "SILENCE_SECONDS", 0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        free = sender.getsockname()[1]
    reader = Datagrams("127.0.0.1", free)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"one", ("127.0.0.1", free))
        sender.sendto(b"two", ("127.0.0.1", free))
        assert [reader.read1(10), reader.read1(10)] == [b"one", b"two"]
    with pytest.raises(TimeoutError):
        reader.read1(10)
    reader.close()


@pytest.mark.enable_socket
def test_srt_that_nobody_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_readers, "OPEN_SECONDS", 20.0)
    program = Program("srt://127.0.0.1:9?connect_timeout=300")
    with pytest.raises(OSError, match="."):
        program.read1(10)
    program.close()


@pytest.mark.parametrize(("host", "joined"), [("239.1.2.3", True), ("127.0.0.1", False)])
def test_a_group_is_joined_on_whichever_interface_reaches_it(
    host: str, joined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not every machine has an interface that takes a group, so what is asked of the system is looked at.
    port = Mock(**{"getsockname.return_value": (host, 5000)})
    monkeypatch.setattr(socket, "socket", lambda *_: port)
    Datagrams(host, 5000)
    port.bind.assert_called_once_with((host, 5000))
    member = socket.inet_aton(host) + socket.inet_aton("0.0.0.0")
    asked = call(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    assert (asked in port.setsockopt.call_args_list) == joined
