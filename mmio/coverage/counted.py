"""Coverage of single registers and their fields: counts, masks, and the points made of them.

A *point* is one thing that a suite can have done or not: a register read, a register written, a field read, a field
written, a named value of a field moved, a bit of a field risen, a bit of it fallen. A percentage is covered points of
all points, nothing else. All of it is plain data, so that one process can add up what others have seen.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from attrs import Factory, define, frozen

PATHS: Final = (
    "no register",
    "read of a write-only register",
    "write to a read-only register",
    "refused by the device",
)
"""Kinds of accesses that no driver should make."""

NO_REGISTER, NOT_READABLE, NOT_WRITABLE, REFUSED = PATHS

KINDS: Final = ("registers", "fields", "values", "transitions")
"""Of points, in the order in which reports have them."""


class Point(NamedTuple):
    """One thing that can be covered: its kind, the register, what it is, and whether it is."""

    kind: str
    register: str
    what: str
    covered: bool

    @property
    def name(self) -> str:
        """The point in words: "CTRL read", "CTRL.EN 0->1", "CTRL.MODE=FAST"."""
        return f"{self.register}{self.what}"


@define
class FieldCoverage:
    """Coverage of one field.

    Attributes:
        name: of the field.
        msb: its highest bit.
        lsb: its lowest bit.
        readable: it can be read.
        writable: it can be written.
        enum: names of its values.
        read: reads that moved all its bits.
        written: writes that did.
        values: how often each named value was moved.
        rose: a mask of its bits, shifted down to bit 0, that went from 0 to 1.
        fell: of those that went from 1 to 0.
    """

    name: str
    msb: int
    lsb: int
    readable: bool
    writable: bool
    enum: dict[int, str]
    read: int = 0
    written: int = 0
    values: Counter[int] = Factory(Counter)
    rose: int = 0
    fell: int = 0

    @property
    def place(self) -> str:
        """The bits as a datasheet has them."""
        return str(self.lsb) if self.msb == self.lsb else f"{self.msb}:{self.lsb}"

    def points(self, register: str) -> Iterator[Point]:
        """Iterate over the field's points."""
        if not (self.readable or self.writable):
            return
        if self.readable:
            yield Point("fields", register, f".{self.name} read", self.read > 0)
        if self.writable:
            yield Point("fields", register, f".{self.name} written", self.written > 0)
        for value, name in self.enum.items():
            yield Point("values", register, f".{self.name}={name}", self.values[value] > 0)
        yield Point("transitions", register, f".{self.name} 0->1", self.rose != 0)
        yield Point("transitions", register, f".{self.name} 1->0", self.fell != 0)

    @property
    def shape(self) -> tuple[Any, ...]:
        """A value that is equal for coverages of the same field."""
        return self.name, self.msb, self.lsb, self.readable, self.writable, tuple(sorted(self.enum.items()))

    def add(self, other: "FieldCoverage") -> None:
        """Add what was seen elsewhere."""
        self.read += other.read
        self.written += other.written
        self.values += other.values
        self.rose |= other.rose
        self.fell |= other.fell


@define
class RegisterCoverage:
    """Coverage of one register.

    Attributes:
        name: as records have it.
        offset: in the device.
        width: in bytes.
        readable: some bit can be read.
        writable: some bit can be written.
        file: where it is declared, "" when that is not known.
        line: there.
        fields: its fields.
        reads: accesses that read some of it.
        writes: accesses that wrote some of it.
        widths: how many accesses there were of each width in bytes.
        omitted: it has no points, and is in no list of what was not touched.
    """

    name: str
    offset: int
    width: int
    readable: bool
    writable: bool
    file: str
    line: int
    fields: list[FieldCoverage]
    reads: int = 0
    writes: int = 0
    widths: Counter[int] = Factory(Counter)
    omitted: bool = False

    def is_called(self, pattern: str) -> bool:
        """Return whether a pattern fits its name, or that of its array: "BUFFER", "BUFFER[3]", "dma.*"."""
        fits = translate(pattern.replace("[", "[[]"))
        return any(re.fullmatch(fits, name) for name in (self.name, self.name.rpartition("[")[0]) if name)

    @property
    def points(self) -> list[Point]:
        """Its points, and those of its fields."""
        if self.omitted:
            return []
        found = []
        if self.readable:
            found.append(Point("registers", self.name, " read", self.reads > 0))
        if self.writable:
            found.append(Point("registers", self.name, " written", self.writes > 0))
        for field in self.fields:
            found += field.points(self.name)
        return found

    @property
    def shape(self) -> tuple[Any, ...]:
        """A value that is equal for coverages of the same register."""
        fields = tuple(field.shape for field in self.fields)
        return self.name, self.offset, self.width, self.readable, self.writable, fields

    def add(self, other: "RegisterCoverage") -> None:
        """Add what was seen elsewhere."""
        self.reads += other.reads
        self.writes += other.writes
        self.widths += other.widths
        for field, its in zip(self.fields, other.fields, strict=True):
            field.add(its)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        fields = [
            {
                "name": field.name,
                "bits": [field.msb, field.lsb],
                "readable": field.readable,
                "writable": field.writable,
                "read": field.read,
                "written": field.written,
                "values": [
                    {"value": value, "name": name, "times": field.values[value]} for value, name in field.enum.items()
                ],
                "rose": field.rose,
                "fell": field.fell,
            }
            for field in self.fields
        ]
        points = self.points
        return {
            "name": self.name,
            "offset": self.offset,
            "width": self.width,
            "readable": self.readable,
            "writable": self.writable,
            "file": self.file,
            "line": self.line,
            "omitted": self.omitted,
            "reads": self.reads,
            "writes": self.writes,
            "widths": {str(width): times for width, times in sorted(self.widths.items())},
            "points": len(points),
            "covered": sum(point.covered for point in points),
            "fields": fields,
        }

    @property
    def merged_name(self) -> str:
        """The name without indices: "QUEUE[*].TAIL"."""
        return re.sub(r"\[\d+\]", "[*]", self.name)

    @classmethod
    def merged(cls, registers: Iterable["RegisterCoverage"]) -> "list[RegisterCoverage]":
        """Return new coverages, one for all registers that differ in an index only; each point of any is one of it."""
        found: dict[tuple[Any, ...], RegisterCoverage] = {}
        for register in registers:
            key = register.merged_name, register.omitted, register.shape[2:]
            if key in found:
                found[key].add(register)
            else:
                found[key] = cls.from_dict(register.to_dict() | {"name": register.merged_name})
        return list(found.values())

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "RegisterCoverage":
        """Return what `to_dict` was made of. Raises KeyError, TypeError or ValueError when it was something else."""
        fields = [
            FieldCoverage(
                str(each["name"]),
                int(each["bits"][0]),
                int(each["bits"][1]),
                bool(each["readable"]),
                bool(each["writable"]),
                {int(value["value"]): str(value["name"]) for value in each["values"]},
                int(each["read"]),
                int(each["written"]),
                Counter({int(value["value"]): int(value["times"]) for value in each["values"] if value["times"]}),
                int(each["rose"]),
                int(each["fell"]),
            )
            for each in data["fields"]
        ]
        widths = Counter({int(width): int(times) for width, times in data["widths"].items()})
        return cls(
            str(data["name"]),
            int(data["offset"]),
            int(data["width"]),
            bool(data["readable"]),
            bool(data["writable"]),
            str(data["file"]),
            int(data["line"]),
            fields,
            int(data["reads"]),
            int(data["writes"]),
            widths,
            bool(data["omitted"]),
        )


@frozen
class Share:
    """So many points of so many.

    Attributes:
        covered: the points that are covered.
        total: all of them.
    """

    covered: int
    total: int

    @classmethod
    def of(cls, points: Iterable[Point]) -> "Share":
        """Return how many of some points are covered."""
        covered = [point.covered for point in points]
        return cls(sum(covered), len(covered))

    @property
    def percent(self) -> float:
        """In percent; 100 where there is nothing to cover."""
        return 100 * self.covered / self.total if self.total else 100.0

    def __str__(self) -> str:
        # 99.97 is not 100: what is not whole is never rounded up to it.
        shown = 100.0 if self.covered == self.total else min(self.percent, 99.9)
        return f"{shown:.1f} % ({self.covered} of {self.total})"


Path: TypeAlias = tuple[str, str, str, int]
"""An error path that was taken: what it is, "R" or "W", the place, and the width in bytes."""


class Covered(Protocol):
    """Subject of reports: `DeviceCoverage`."""

    name: str
    registers: list[RegisterCoverage]
    paths: Counter[Path]

    @property
    def total(self) -> Share:
        """All points."""

    @property
    def shares(self) -> dict[str, Share]:
        """The points of each kind."""

    @property
    def never_read(self) -> list[str]:
        """Registers that can be read and were not."""

    @property
    def never_written(self) -> list[str]:
        """Registers that can be written and were not."""

    @property
    def never_read_back(self) -> list[str]:
        """Registers that were written and never read."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
