"""TransportStream: the bytes of an MPEG transport stream (ISO/IEC 13818-1) up to where other streams begin in it.

FFmpeg goes on with the decoder it began with, and gives the first picture of the new kind the time of the last of the
old one. A stream that ends before, and one that begins there, are both right.
"""

from __future__ import annotations

from typing import Any

_PACKET = 188
_SYNC = 0x47
_PAT_ID, _PMT_ID = 0, 2
Streams = frozenset[tuple[int, int]]


class TransportStream:
    """Reads packets until a program of the stream lists other streams than before; other bytes as they are.

    Args:
        reader: what has `read1` and `close`.
    """

    def __init__(self, reader: Any) -> None:
        self.changed = False
        """Whether it ended because other streams begin."""
        self._reader = reader
        self._given = b""  # to be read before the reader
        self._part = b""  # of a packet that has not come whole
        self._is_transport: bool | None = None
        self._pat = b""
        self._programs: dict[int, int] = {}  # number of each program by the PID of its table
        self._streams: dict[int, Streams] = {}  # (PID, stream type) by number of program

    def read1(self, size: int) -> bytes:
        """Return what comes next, waiting for it; nothing at the end."""
        while not self.changed:
            piece, self._given = self._given or self._reader.read1(size), b""
            if self._is_transport is None:
                self._is_transport = piece[:1] == bytes([_SYNC])
            if not self._is_transport or not piece:
                rest, self._part = self._part + piece, b""
                return rest
            if whole := self._packets(self._part + piece):
                return whole
        return b""

    def rest(self) -> TransportStream:
        """Return what begins where this one ended; it reads on from the same line."""
        after = TransportStream(self._reader)
        after._given, self._part = self._part, b""
        return after

    def close(self) -> None:
        """Hang up."""
        self._reader.close()

    def _packets(self, data: bytes) -> bytes:
        """Return the whole packets in bytes, up to a change; keep the others."""
        at = 0
        while at + _PACKET <= len(data):
            if data[at] != _SYNC:
                found = data.find(_SYNC, at)
                at = found if found >= 0 else len(data)
                continue
            packet = data[at : at + _PACKET]
            pid = (packet[1] & 0x1F) << 8 | packet[2]
            if packet[1] & 0x40 and (pid == 0 or pid in self._programs) and self._differs(pid, packet):
                self.changed = True
                # The table of programs stands before those of the programs, and is needed to find them.
                self._part = (b"" if pid == 0 else self._pat) + data[at:]
                return data[:at]
            at += _PACKET
        self._part = data[at:]
        return data[:at]

    def _differs(self, pid: int, packet: bytes) -> bool:
        """Whether a packet of a table says other than the one before."""
        section = _section(packet)
        if pid == 0 and section[:1] == bytes([_PAT_ID]):
            listed = {
                (section[i + 2] & 0x1F) << 8 | section[i + 3]: section[i] << 8 | section[i + 1]
                for i in range(8, len(section) - 7, 4)
            }
            programs = {table: number for table, number in listed.items() if number}
            differs = bool(self._programs) and programs != self._programs
            self._pat, self._programs = packet, programs or self._programs
            return differs
        if pid == 0 or section[:1] != bytes([_PMT_ID]) or len(section) < 12:
            return False
        streams, i = set(), 12 + ((section[10] & 0x0F) << 8 | section[11])
        while i + 5 <= len(section) - 4:
            streams.add(((section[i + 1] & 0x1F) << 8 | section[i + 2], section[i]))
            i += 5 + ((section[i + 3] & 0x0F) << 8 | section[i + 4])
        number, found = self._programs[pid], frozenset(streams)
        return self._streams.setdefault(number, found) != found


def _section(packet: bytes) -> bytes:
    """Return as much of the first section that begins in a packet as is in it."""
    at = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    if not packet[3] & 0x10 or at >= _PACKET:
        return b""
    at += 1 + packet[at]
    if at + 3 > _PACKET:
        return b""
    return packet[at : at + 3 + ((packet[at + 1] & 0x0F) << 8 | packet[at + 2])]
