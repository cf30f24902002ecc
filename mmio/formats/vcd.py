"""Value Change Dump (IEEE 1800-2023, 21.7): a trace as waveforms, for GTKWave, Surfer and their like. Only written.

A VCD file declares its variables before the first value, and a trace does not know its registers before they are
accessed. So the header has room: a declaration goes into blanks left for it, and the file is valid after every
record. Libraries that write VCD want all variables first, so they would have to keep the trace until it ends.

A register is a wire with the value last read or written. As a poll that reads the same again changes no value, there is
an event for each read and one for each write. Fields are strings, as the device prints them.
"""

import errno
import os
import re
from collections.abc import Iterator
from os import PathLike
from typing import Final

from mmio.formats.errors import TraceFileError
from mmio.formats.writer import LineWriter
from mmio.records.access import Access
from mmio.records.events import Loss, Mark, Record

ROOM: Final = 1 << 18  # for about 5,000 variables

_FIRST: Final = "$timescale 1 ns $end\n$scope module pagetrap $end $var string 1 ! mark $end $upscope $end\n"
_LAST: Final = "\n$enddefinitions $end\n"
_MARK: Final = "!"


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
        self._variables: dict[tuple[str, ...], str] = {}
        self._names: set[tuple[str, ...]] = set()
        self._values: dict[str, str] = {}
        self._time = -1
        self._declarations = -1
        super().__init__(path, every=every, seconds=seconds)
        # The other descriptor appends, wherever pwrite(2) is told to write.
        self._declarations = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)

    def header(self) -> str:
        """Return the header, with room."""
        if not self._regular:
            raise TraceFileError(errno.ESPIPE, "expected a regular file: VCD is written in two places", self.path)
        return _FIRST + " " * self._room + _LAST

    def lines(self, record: Record) -> str:
        """Return a time, if it is a new one, and what changes then."""
        if isinstance(record, Access):
            changes = list(self._changes(record))
        elif isinstance(record, Mark):
            changes = [_string(record.text, _MARK)]
        elif isinstance(record, Loss):
            changes = [_string(f"{record.count} accesses are missing here", _MARK)]
        else:
            return ""
        # Threads may be recorded a little out of order, which VCD does not know.
        time = max(record.time, self._time)
        if changes and time > self._time:
            self._time = time
            changes.insert(0, f"#{time}")
        return "".join(f"{change}\n" for change in changes)

    def close(self) -> None:
        """Finish and close the file."""
        with self._lock:
            if self._declarations >= 0:
                os.close(self._declarations)
                self._declarations = -1
            super().close()

    def _changes(self, access: Access) -> Iterator[str]:
        scope = access.region or access.space
        name = access.register or f"{access.address if access.offset is None else access.offset:#x}"
        bits = str(8 * access.width)
        wire = self._variable(scope, name, "wire", bits)
        if not wire:
            if not self._full:
                yield _string(f"no room to declare {scope}.{name} and what comes later", _MARK)
            self._full = True
            return
        yield from self._changed(wire, f"b{access.value:b} {wire}")
        for happened, verb in ((access.reads, "read"), (access.writes, "write")):
            event = self._variable(scope, f"{name}.{verb}", "event", "1") if happened else ""
            if event:
                yield f"1{event}"
        for field, equals, value in (word.partition("=") for word in access.decoded.split()):
            string = self._variable(scope, f"{name}.{field}", "string", "1") if equals else ""
            if string:
                yield from self._changed(string, _string(value, string))

    def _changed(self, variable: str, change: str) -> Iterator[str]:
        """The change, unless the variable has this value already."""
        if self._values.get(variable) != change:
            self._values[variable] = change
            yield change

    def _variable(self, scope: str, name: str, kind: str, bits: str) -> str:
        """Return the identifier of a variable, declaring it if it is new; "" when there is no room for it."""
        key = (scope, name, kind, bits)
        known = self._variables.get(key)
        if known is not None:
            return known
        identifier = _identifier(len(self._variables) + 1)
        # One register accessed with two widths is two wires.
        suffix = f".{bits}" if key[:3] in self._names else ""
        declared = f"$scope module {_word(scope)} $end $var {kind} {bits} {identifier} {_word(name + suffix)} $end"
        line = f"{declared} $upscope $end\n".encode()
        if self._at + len(line) > len(_FIRST) + self._room:
            return ""
        os.pwrite(self._declarations, line, self._at)
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
