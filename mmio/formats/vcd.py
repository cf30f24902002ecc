"""Value Change Dump (IEEE 1800-2023, 21.7): a trace as waveforms, for GTKWave, Surfer and others. Only written.

A VCD file declares its variables before the first value, and a trace does not know its registers before they are
accessed. So the header has room: a declaration goes into blanks left for it, and the file is valid after every
record. Libraries that write VCD want all variables first, so they would have to keep the trace until it ends.

A register is a wire with the value last read or written, and so is each field. As a poll that reads the same again
changes no value, there is an event for each read and one for each write. Values that have names are strings as well.
"""

import errno
import os
import re
from collections.abc import Iterator
from os import PathLike
from typing import Final

from attrs import frozen

from decode import READ, WRITE
from mmio.formats.errors import TraceFileError
from mmio.formats.linewriter import LineWriter
from mmio.linux.own_descriptors import kept
from mmio.records.events import Cut, Event, Loss, Mark
from mmio.records.spot import Remembered, Spot

ROOM: Final = 1 << 18  # for some 3,000 variables

# GTKWave's vcd2fst reads a line at a time, so each command has one to itself.
_FIRST: Final = "$timescale 1 ns $end\n$scope module pagetrap $end\n$var string 1 ! mark $end\n$upscope $end\n"
_LAST: Final = "\n$enddefinitions $end\n"
_MARK: Final = "!"


@frozen(slots=True)
class _Wires:
    """Wires of a spot: identifiers of its register, of its events, and of its fields with lsb and mask.

    `names` are the fields that have wires.
    """

    scope: str
    name: str
    register: str
    events: tuple[str, ...]
    fields: tuple[tuple[str, int, int], ...]
    names: frozenset[str]

    def texts(self, decoded: str) -> Iterator[tuple[str, str]]:
        """Of what the device says of a value, what no wire says: names of values, and fields of unknown place."""
        for field, equals, text in (word.partition("=") for word in decoded.split()):
            if not equals:
                continue
            if not self.names:
                yield field, text
            elif field in self.names and not text[:1].isdigit():
                yield f"{field}.text", text


class VcdWriter(LineWriter):
    """Writes VCD.

    `room`: bytes kept for declarations. Registers for which there is no more are left out, and a `mark` says so.
    Other arguments as for every writer.

    Raises:
        TraceFileError: the file is none to go back in, such as a pipe.
    """

    def __init__(self, path: str | PathLike[str], *, every: int = 1, seconds: float = 1.0, room: int = ROOM) -> None:
        self._room = room
        self._at = len(_FIRST)  # where the next declaration goes
        self._full = False
        self._variables: dict[tuple[str, str, str, int], str] = {}
        self._names: set[tuple[str, str, str]] = set()
        self._wires = Remembered(self._wires_of)
        self._values: dict[str, str] = {}
        self._time = -1
        self._declarations = -1
        super().__init__(path, every=every, seconds=seconds)
        # The other descriptor appends, wherever pwrite(2) is told to write.
        self._declarations = kept(os.open(self.path, os.O_WRONLY | os.O_CLOEXEC))

    def header(self) -> str:
        """Return the header, with room."""
        if not self._regular:
            raise TraceFileError(errno.ESPIPE, "expected a regular file: VCD is written in two places", self.path)
        return _FIRST + " " * self._room + _LAST

    def footer(self) -> str:
        """Return the comment that says that the trace is finished."""
        return "$comment end of the trace $end\n"

    def access(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> str:
        """Return a time, if it is a new one, and what changes then."""
        return self._at_time(time, list(self._changes(spot, value)))

    def event(self, event: Event) -> str:
        """Return the change of the mark."""
        if not isinstance(event, Mark | Loss | Cut):
            return ""
        return self._at_time(event.time, [_string(str(event), _MARK)])

    def _at_time(self, time: int, changes: list[str]) -> str:
        # Threads may be recorded a little out of order, which VCD does not know: then they get the latest time, too.
        if changes and time > self._time:
            self._time = time
            changes.insert(0, f"#{time}")
        return "".join(f"{change}\n" for change in changes)

    def _release(self) -> None:
        if self._declarations >= 0:
            os.close(self._declarations)
        super()._release()

    def _changes(self, spot: Spot, value: int) -> Iterator[str]:
        wires = self._wires[spot]
        if not wires.register:
            if not self._full:
                yield _string(f"no room to declare {wires.scope}.{wires.name} and what comes later", _MARK)
            self._full = True
            return
        yield from self._changed(wires.register, f"b{value:b} {wires.register}")
        for event in wires.events:
            yield f"1{event}"
        for wire, lsb, mask in wires.fields:
            bits = f"{value >> lsb & mask:b}"
            yield from self._changed(wire, f"{bits}{wire}" if mask == 1 else f"b{bits} {wire}")
        for field, text in wires.texts(spot.decoded(value)):
            string = self._variable(wires.scope, f"{wires.name}.{field}", "string", 1)
            if string:
                yield from self._changed(string, _string(text, string))

    def _changed(self, variable: str, change: str) -> Iterator[str]:
        """The change, unless the variable has this value already."""
        if self._values.get(variable) != change:
            self._values[variable] = change
            yield change

    def _wires_of(self, spot: Spot) -> _Wires:
        """Declare what a spot shows itself as, if an earlier one has not."""
        scope = spot.region or spot.space
        name = spot.register or f"{spot.address if spot.offset is None else spot.offset:#x}"
        register = self._variable(scope, name, "wire", 8 * spot.width)
        verbs = ("read", spot.direction != WRITE), ("write", spot.direction != READ)
        events = [
            self._variable(scope, f"{name}.{verb}", "event", 1) for verb, happens in verbs if register and happens
        ]
        fields = [
            (self._variable(scope, f"{name}.{field}", "wire", msb - lsb + 1), lsb, (1 << msb - lsb + 1) - 1)
            for field, msb, lsb in spot.layout
            if register
        ]
        names = frozenset(field for field, _, _ in spot.layout)
        return _Wires(scope, name, register, tuple(filter(None, events)), tuple(f for f in fields if f[0]), names)

    def _variable(self, scope: str, name: str, kind: str, bits: int) -> str:
        """Return the identifier of a variable, declaring it if it is new; "" when there is no room for it."""
        key = (scope, name, kind, bits)
        known = self._variables.get(key)
        if known is not None:
            return known
        identifier = _identifier(len(self._variables) + 1)
        # One register accessed with two widths is two wires.
        suffix = f".{bits}" if key[:3] in self._names else ""
        declared = f"$scope module {_word(scope)} $end\n$var {kind} {bits} {identifier} {_word(name + suffix)} $end"
        line = f"{declared}\n$upscope $end\n".encode()
        if self._at + len(line) > len(_FIRST) + self._room:
            return ""
        try:
            os.pwrite(self._declarations, line, self._at)
        except OSError as error:
            raise self._refuse(error) from None
        self._at += len(line)
        self._variables[key] = identifier
        self._names.add(key[:3])
        return identifier


def _identifier(number: int) -> str:
    """Return a short name of printable characters (33 to 126); 0 is "!"."""
    number, digit = divmod(number, 94)
    return (_identifier(number - 1) if number else "") + chr(33 + digit)


def _word(name: str) -> str:
    """Return a name without blanks, and without brackets, which would choose a bit: "FIFO[3]" is "FIFO.3"."""
    return re.sub(r"[^\w.+-]", "_", re.sub(r"\[(\d+)\]", r".\1", name), flags=re.ASCII)


def _string(text: str, identifier: str) -> str:
    """Return the change of a string variable; blanks are written as GTKWave reads them."""
    return f"s{text.encode('unicode_escape').decode().replace(' ', chr(92) + 'x20')} {identifier}"
