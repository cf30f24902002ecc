"""Trace Event Format: a trace on a time axis, for ui.perfetto.dev and chrome://tracing. Only written.

A register is a track (a "thread"), an access an instant on it with everything it holds as arguments, and its value
a counter. The format is a JSON array whose closing bracket may be missing, so that a file is readable after every
record; closed, it is JSON.
"""

import json
from os import PathLike
from typing import Any, Final

from mmio.formats.jsonlines import instruction_text
from mmio.formats.linewriter import LineWriter
from mmio.records.access import LETTERS, shown
from mmio.records.events import Cut, Event, Loss, Mark
from mmio.records.flags import flag_names
from mmio.records.spot import Remembered, Spot

PROCESS: Final = 1
COUNTED: Final = 8  # bytes; a counter is a number, and wider values are data

_dumped: Final = json.JSONEncoder(separators=(",", ":")).encode


class PerfettoWriter(LineWriter):
    """Writes Trace Event Format."""

    def __init__(self, path: str | PathLike[str], *, every: int = 1, seconds: float = 1.0) -> None:
        self._tracks: dict[tuple[str, str], int] = {}
        self._templates = Remembered(self._template)
        self._names = ""  # of tracks that are new
        super().__init__(path, every=every, seconds=seconds)

    def header(self) -> str:
        """Return the bracket and the name of the process; every record begins with a comma."""
        return "[\n" + _dumped(_named("process", 0, "pagetrap"))

    def footer(self) -> str:
        """Return the closing bracket."""
        return "\n]\n"

    def access(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> str:
        """Return an instant and a counter, on a track that is named the first time."""
        name, before, after, counter = self._templates[spot]
        names, self._names = self._names, ""
        at = f'"ts":{time / 1000!r}'  # the format counts in microseconds
        instant = f'{{"ph":"i",{at}{name}{value:#x}"{before}{sequence},"value":"{shown(value, old, spot.width)}"'
        fields = spot.decoded(value)
        if fields:
            instant = f'{instant},"fields":{_dumped(fields)}'
        counted = f',\n{{"ph":"C",{at}{counter}{value}}}}}' if spot.width <= COUNTED else ""
        return f"{names},\n{instant}{after}{counted}"

    def event(self, event: Event) -> str:
        """Return a global instant for a mark or a loss."""
        if not isinstance(event, Mark | Loss | Cut):
            return ""
        instant = {"ph": "i", "ts": event.time / 1000, "pid": PROCESS, "tid": 0, "name": str(event), "s": "g"}
        return f",\n{_dumped(instant)}"

    def _template(self, spot: Spot) -> tuple[str, str, str, str]:
        """Return the texts before an instant's value, to its number, after its fields, and of its counter."""
        place = spot.place
        track = self._tracks.get((spot.space, place))
        if track is None:
            track = self._tracks[spot.space, place] = len(self._tracks) + 1
            self._names += f",\n{_dumped(_named('thread', track, place))}"
        code = spot.instruction
        where = f',"pid":{PROCESS},"tid":{track},"name":'
        details = {
            "thread": spot.thread,
            "width": spot.width,
            "address": f"{spot.address:#x}",
            "notes": ", ".join(flag_names(spot.flags)),
            "ip": f"{spot.ip:#x}" if spot.ip else "",
            "instruction": "" if code is None else instruction_text(code.code, code.bits, spot.ip, code.vendor),
        }
        given = _dumped({key: value for key, value in details.items() if value != ""})
        return (
            f'{where}"{LETTERS[spot.direction]}{spot.width} ',
            ',"s":"t","args":{"sequence":',
            f",{given[1:]}}}",
            f'{where}{_dumped(place)},"args":{{"value":',
        )


def _named(what: str, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": PROCESS, "tid": track, "name": f"{what}_name", "args": {"name": name}}
