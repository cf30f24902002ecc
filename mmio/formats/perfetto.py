"""Trace Event Format: a trace on a time axis, for ui.perfetto.dev and chrome://tracing. Only written.

A register is a track (a "thread"), an access an instant on it with everything it holds as arguments, and its value
a counter. The format is a JSON array whose closing bracket may be missing, so that a file is readable after every
record; closed, it is JSON.
"""

import json
from collections.abc import Iterator
from os import PathLike
from typing import Any, Final

from mmio.formats.writer import LineWriter
from mmio.records.access import Access
from mmio.records.events import Loss, Mark, Record

PROCESS: Final = 1
COUNTED: Final = 8  # bytes; a counter is a number, and wider values are data

_dumped: Final = json.JSONEncoder(separators=(",", ":")).encode


class PerfettoWriter(LineWriter):
    """Writes Trace Event Format."""

    def __init__(self, path: str | PathLike[str], *, every: int = 1, seconds: float = 1.0) -> None:
        self._tracks: dict[tuple[str, str], int] = {}
        super().__init__(path, every=every, seconds=seconds)

    def header(self) -> str:
        """Return the bracket and the name of the process; every record begins with a comma."""
        return "[\n" + _dumped(_named("process", 0, "pagetrap"))

    def lines(self, record: Record) -> str:
        """Return the events of a record."""
        return "".join(f",\n{_dumped(event)}" for event in self._events(record))

    def footer(self) -> str:
        """Return the closing bracket."""
        return "\n]\n"

    def _events(self, record: Record) -> Iterator[dict[str, Any]]:
        if isinstance(record, Access):
            yield from self._access(record)
        elif isinstance(record, Mark):
            yield _event("i", record.time, 0, record.text) | {"s": "g"}
        elif isinstance(record, Loss):
            yield _event("i", record.time, 0, f"{record.count} accesses are missing here") | {"s": "g"}

    def _access(self, access: Access) -> Iterator[dict[str, Any]]:
        key = access.space, access.place
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = len(self._tracks) + 1
            yield _named("thread", track, access.place)
        details = {
            "sequence": access.sequence,
            "thread": access.thread,
            "width": access.width,
            "address": f"{access.address:#x}",
            "value": access.shown,
            "fields": access.decoded,
            "notes": access.notes,
            "ip": f"{access.ip:#x}" if access.ip else "",
            "instruction": access.text,
        }
        given = {key: value for key, value in details.items() if value != ""}
        name = f"{access.letter}{access.width} {access.value:#x}"
        yield _event("i", access.time, track, name) | {"s": "t", "args": given}
        if access.width <= COUNTED:
            yield _event("C", access.time, track, access.place) | {"args": {"value": access.value}}


def _event(kind: str, time: int, track: int, name: str) -> dict[str, Any]:
    """Return an event; the format counts in microseconds."""
    return {"ph": kind, "ts": time / 1000, "pid": PROCESS, "tid": track, "name": name}


def _named(what: str, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": PROCESS, "tid": track, "name": f"{what}_name", "args": {"name": name}}
