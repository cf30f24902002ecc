"""Coverage of a device: which registers, fields, values and transitions a driver or a test suite has touched."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from os import PathLike
from typing import Any, Final, Self

from attrs import frozen

from decode import READ, Direction
from mmio.arguments import instance, shortened, text
from mmio.coverage.counted import KINDS, Path, Point, RegisterCoverage, Share
from mmio.coverage.html import section
from mmio.coverage.reading import TraceReader
from mmio.coverage.reports import save
from mmio.coverage.stream import Plan, Stream
from mmio.coverage.text import report
from mmio.records.events import Record

FORMAT: Final = "pagetrap device coverage"
VERSION: Final = 1


@frozen
class CoverageComparison:
    """Points that one coverage has and another has not.

    Attributes:
        gained: those that only the second has.
        lost: those that only the first has.
    """

    gained: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Return whether both cover the same points."""
        return not (self.gained or self.lost)

    def __str__(self) -> str:
        lines = [*(f"+ {name}" for name in self.gained), *(f"- {name}" for name in self.lost)]
        return "\n".join(lines) or "the same points are covered"


class DeviceCoverage:
    """Coverage of one Device class.

        coverage = DeviceCoverage.of(Timer, mapping.trace)
        print(coverage)
        coverage |= DeviceCoverage.of(Timer, other.trace)
        assert coverage.percent > 80, coverage.missing

    Of a class it starts with nothing; `add` counts the accesses of a trace. `|` puts together what was seen in several
    traces. What the percentages mean is in docs/device-coverage.md.

    Args:
        device: the class; None for one that only holds what others have counted (see `from_dict`).
        name: in reports; the class's when left out.

    Attributes:
        name: of the device.
        registers: what was seen of each register, in order of offset.
        paths: how often each error path was taken, by `Path`.

    Raises:
        TypeError: it is no Device class.
        ValueError: it has no registers.
    """

    def __init__(self, device: type[Any] | None, name: str | None = None) -> None:
        self._plan = None if device is None else Plan(device)
        if name is not None:
            text("name", name)
        self.name: str = name or getattr(device, "__name__", None) or ""
        self.registers: list[RegisterCoverage] = [] if self._plan is None else self._plan.registers()
        self.paths: Counter[Path] = Counter()

    @classmethod
    def of(cls, device: type[Any], accesses: Iterable[Record], region: str | None = None) -> Self:
        """Return what the accesses of a trace cover.

        Args:
            device: the class.
            accesses: a trace, or accesses of one.
            region: the name that the device has there; when left out, the class's, or that of the only region.

        Raises:
            TypeError: it is no Device class.
            ValueError: it has no registers, or the trace has no such region.
        """
        coverage = cls(device)
        coverage.add(accesses, region)
        return coverage

    def add(self, accesses: Iterable[Record], region: str | None = None) -> None:
        """Count the accesses of a trace.

        A device is reset where its region is mapped; a trace that has events says where.

        Args:
            accesses: a trace, or accesses of one; with its events, `trace.records()`.
            region: the name that the device has there; when left out, the class's, or that of the only region.

        Raises:
            ValueError: the trace has no such region, or several and none is called as the class is.
        """
        if region is not None:
            text("region", region)
        instance("accesses", accesses, Iterable, "a trace, such as mapping.trace")
        reader = TraceReader(self, region)
        records: Any = getattr(accesses, "records", None)
        for record in accesses if records is None else records():
            reader.take(record)
        reader.finish()

    def nothing(self) -> "DeviceCoverage":
        """Return a coverage of the same device, with nothing covered, that can count."""
        fresh = DeviceCoverage(None, self.name)
        fresh._plan = self._counting()
        fresh.registers = fresh._plan.registers()
        for register, mine in zip(fresh.registers, self.registers, strict=True):
            register.omitted = mine.omitted
        return fresh

    def merged(self) -> "DeviceCoverage":
        """Return the same with each array, and equal blocks, as one: QUEUE[*].TAIL has what any of them has seen.

        A driver that uses two of 64 queues is then not said to have missed 62. It can be reported and combined with
        others that are merged, and counts no more.
        """
        coverage = DeviceCoverage(None, self.name)
        coverage.registers = RegisterCoverage.merged(self.registers)
        coverage.paths += self.paths
        return coverage

    def omit(self, pattern: str) -> None:
        """Leave registers out of the points, such as a packet buffer that is an array of registers.

        Args:
            pattern: of their names, as records have them, with * and ?; the name of an array stands for all of it.

        Raises:
            ValueError: there is no such register.
        """
        text("pattern", pattern)
        found = [register for register in self.registers if register.is_called(pattern)]
        if not found:
            close = get_close_matches(pattern, [register.name for register in self.registers], n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"{self.name} has no register {shortened(pattern)} to omit{hint}")
        for register in found:
            register.omitted = True

    def stream(self) -> Stream:
        """Return what counts the accesses to one device, from its reset on."""
        return Stream(self._counting(), self.registers, self.missed)

    def _counting(self) -> Plan:
        if self._plan is None:
            raise ValueError(f"the coverage of {self.name} was read from a file, and cannot count; combine it with |")
        return self._plan

    def missed(self, path: str, direction: Direction, place: str, width: int) -> None:
        """Count an access that took an error path."""
        self.paths[path, "R" if direction == READ else "W", place, width] += 1

    @property
    def points(self) -> list[Point]:
        """All points, in order of offset."""
        return [point for register in self.registers for point in register.points]

    @property
    def missing(self) -> list[str]:
        """The points that are not covered, in words: "CTRL written", "CTRL.MODE=FAST", "CTRL.EN 1->0"."""
        return [point.name for point in self.points if not point.covered]

    @property
    def total(self) -> Share:
        """Return how many points are covered of all."""
        return Share.of(self.points)

    @property
    def percent(self) -> float:
        """Covered points of all points, in percent."""
        return self.total.percent

    @property
    def shares(self) -> dict[str, Share]:
        """Return how many points of each kind are covered: registers, fields, values, transitions."""
        points = self.points
        return {kind: Share.of(point for point in points if point.kind == kind) for kind in KINDS}

    @property
    def never_read(self) -> list[str]:
        """The registers that can be read and were not."""
        return [each.name for each in self._counted if each.readable and not each.reads]

    @property
    def never_written(self) -> list[str]:
        """The registers that can be written and were not."""
        return [each.name for each in self._counted if each.writable and not each.writes]

    @property
    def never_read_back(self) -> list[str]:
        """The registers that were written, can be read, and never were."""
        return [each.name for each in self._counted if each.writes and each.readable and not each.reads]

    @property
    def _counted(self) -> list[RegisterCoverage]:
        return [register for register in self.registers if not register.omitted]

    def compare(self, other: "DeviceCoverage") -> CoverageComparison:
        """Return which points another coverage of the same device has more, and which it has less.

        Raises:
            ValueError: it is of another device.
        """
        self._check_same(other)
        mine, its = ([point.name for point in each.points if point.covered] for each in (self, other))
        return CoverageComparison(
            tuple(name for name in its if name not in set(mine)), tuple(name for name in mine if name not in set(its))
        )

    def __or__(self, other: "DeviceCoverage") -> "DeviceCoverage":
        """Return what both have seen together. Raises ValueError when they are of different devices."""
        if not isinstance(other, DeviceCoverage):
            return NotImplemented
        both = DeviceCoverage.from_dict(self.to_dict())
        both._plan = self._plan or other._plan
        both.include(other)
        return both

    def include(self, other: "DeviceCoverage") -> None:
        """Add what another coverage of the same device has seen. Raises ValueError when it is of another device."""
        self._check_same(other)
        for register, its in zip(self.registers, other.registers, strict=True):
            register.add(its)
        self.paths += other.paths

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DeviceCoverage):
            return NotImplemented
        return (self.name, self.registers, self.paths) == (other.name, other.registers, other.paths)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def _check_same(self, other: "DeviceCoverage") -> None:
        instance("other", other, DeviceCoverage, "the DeviceCoverage of the same device")
        if [register.shape for register in self.registers] != [register.shape for register in other.registers]:
            differing = {register.name for register in self.registers} ^ {register.name for register in other.registers}
            what = f"only one has {', '.join(sorted(differing)[:4])}" if differing else "their registers differ"
            raise ValueError(f"{self.name} and {other.name} are different devices, {what}; coverage is of one")

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, fit for JSON; the fields are in docs/device-coverage.md."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "device": self.name,
            "percent": round(self.percent, 2),
            "points": {
                kind: [share.covered, share.total] for kind, share in {"all": self.total, **self.shares}.items()
            },
            "missing": self.missing,
            "never_read": self.never_read,
            "never_written": self.never_written,
            "never_read_back": self.never_read_back,
            "paths": [
                {"path": path, "direction": letter, "place": place, "width": width, "times": times}
                for (path, letter, place, width), times in sorted(self.paths.items())
            ],
            "registers": [register.to_dict() for register in self.registers],
        }

    @classmethod
    def from_dict(cls, data: Any) -> "DeviceCoverage":
        """Return the coverage that `to_dict` was made of. It can be combined and reported, and counts no more.

        Raises:
            ValueError: it is something else.
        """
        if not isinstance(data, Mapping) or data.get("format") != FORMAT or data.get("version") != VERSION:
            raise ValueError(
                f"expected coverage as DeviceCoverage.to_dict() gives, version {VERSION}: {shortened(data)}"
            )
        try:
            coverage = cls(None, str(data["device"]))
            coverage.registers = [RegisterCoverage.from_dict(each) for each in data["registers"]]
            for each in data["paths"]:
                key = str(each["path"]), str(each["direction"]), str(each["place"]), int(each["width"])
                coverage.paths[key] += int(each["times"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise ValueError(f"the coverage of {shortened(data.get('device'))} is damaged: {error!r}") from None
        return coverage

    def save(self, path: str | PathLike[str], format: str | None = None) -> None:
        """Write it to a file: .html, .json, .xml (Cobertura), .info (LCOV) or .txt.

        Args:
            path: the file.
            format: html, json, cobertura, lcov or term; by the suffix when left out.

        Raises:
            ValueError: there is no such format.
            OSError: the file cannot be written.
        """
        save([self], path, format)

    def __str__(self) -> str:
        return report(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.name}: {self.total}>"

    def _repr_html_(self) -> str:
        return section(self)


def combined(coverages: Sequence[DeviceCoverage]) -> list[DeviceCoverage]:
    """Return one coverage a device of those that several processes have counted, in order of name.

    Raises:
        ValueError: two different devices have one name.
    """
    by_name: dict[str, DeviceCoverage] = {}
    for each in coverages:
        by_name[each.name] = by_name[each.name] | each if each.name in by_name else each
    return [by_name[name] for name in sorted(by_name)]


def loaded(text: str) -> list[DeviceCoverage]:
    """Return what a report in JSON holds.

    Raises:
        ValueError: it is none.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ValueError(f"this is not JSON: {error}") from None
    devices = data.get("devices") if isinstance(data, Mapping) else None
    if not isinstance(devices, Sequence) or isinstance(devices, str):
        raise ValueError("expected a coverage report, with a list of devices")
    return [DeviceCoverage.from_dict(each) for each in devices]
