"""Coverage of devices for CI servers: Cobertura XML and LCOV, which know lines and branches.

A line is one on which a register is declared, hit as often as the registers of that line were accessed. A branch is a
point. So branch coverage there is the percentage of the other reports, to the last digit. Registers of which the source
is not known are lines of a file called as the device, numbered in order.
"""

from collections.abc import Iterator, Sequence
from os.path import relpath
from typing import Final
from xml.sax.saxutils import quoteattr

from attrs import Factory, define

from mmio.coverage.counted import Covered, Point
from mmio.records.printable import printable

DOCTYPE: Final = "http://cobertura.sourceforge.net/xml/coverage-04.dtd"


@define
class _Line:
    """The registers declared on one line: how often they were accessed, and their points."""

    hits: int = 0
    points: list[Point] = Factory(list)

    @property
    def covered(self) -> int:
        return sum(point.covered for point in self.points)


@define
class _File:
    """The lines of one file that declare registers of one device."""

    path: str
    device: str
    lines: dict[int, _Line] = Factory(dict)

    @property
    def hit(self) -> int:
        return sum(line.hits > 0 for line in self.lines.values())

    @property
    def covered(self) -> int:
        return sum(line.covered for line in self.lines.values())

    @property
    def points(self) -> int:
        return sum(len(line.points) for line in self.lines.values())


def _files(coverages: Sequence[Covered]) -> list[_File]:
    found: list[_File] = []
    for coverage in coverages:
        files: dict[str, _File] = {}
        for number, register in enumerate(coverage.registers, start=1):
            path, at = (_path(register.file), register.line) if register.line else (coverage.name, number)
            file = files.setdefault(path, _File(path, coverage.name))
            line = file.lines.setdefault(at, _Line())
            line.hits += register.reads + register.writes
            line.points += register.points
        found += files.values()
    return found


def _path(file: str) -> str:
    """Return a path as CI servers look it up: from here, where it lies below."""
    short = relpath(file)
    return file if short.startswith("..") else short


def lcov(coverages: Sequence[Covered]) -> str:
    """Return an LCOV tracefile: what `genhtml` and most servers read."""
    return "".join(f"{line}\n" for line in _lcov(coverages))


def _lcov(coverages: Sequence[Covered]) -> Iterator[str]:
    for file in _files(coverages):
        yield f"TN:{''.join(c if c.isalnum() else '_' for c in file.device)}"
        yield f"SF:{printable(file.path)}"
        for at, line in sorted(file.lines.items()):
            for branch, point in enumerate(line.points):
                yield f"BRDA:{at},0,{branch},{int(point.covered) if line.hits else '-'}"
        yield f"BRF:{file.points}"
        yield f"BRH:{file.covered}"
        for at, line in sorted(file.lines.items()):
            yield f"DA:{at},{line.hits}"
        yield f"LF:{len(file.lines)}"
        yield f"LH:{file.hit}"
        yield "end_of_record"


def cobertura(coverages: Sequence[Covered]) -> str:
    """Return Cobertura's XML, of version 4 of its DTD."""
    return "".join(f"{line}\n" for line in _cobertura(coverages))


def _cobertura(coverages: Sequence[Covered]) -> Iterator[str]:
    files = _files(coverages)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<!DOCTYPE coverage SYSTEM "{DOCTYPE}">'
    lines, hit = sum(len(file.lines) for file in files), sum(file.hit for file in files)
    points, covered = sum(file.points for file in files), sum(file.covered for file in files)
    yield (
        f'<coverage {_rates(hit, lines, covered, points)} lines-valid="{lines}" lines-covered="{hit}" '
        f'branches-valid="{points}" branches-covered="{covered}" complexity="0" version="1" timestamp="0">'
    )
    yield "<sources><source>.</source></sources>"
    yield f'<packages><package name="devices" {_rates(hit, lines, covered, points)} complexity="0"><classes>'
    for file in files:
        rates = _rates(file.hit, len(file.lines), file.covered, file.points)
        yield f'<class name={_quoted(file.device)} filename={_quoted(file.path)} {rates} complexity="0">'
        yield "<methods/><lines>"
        for at, line in sorted(file.lines.items()):
            total = len(line.points)
            branches = 'branch="false"'
            if total:
                percent = 100 * line.covered // total
                branches = f'branch="true" condition-coverage="{percent}% ({line.covered}/{total})"'
            yield f'<line number="{at}" hits="{line.hits}" {branches}/>'
        yield "</lines></class>"
    yield "</classes></package></packages></coverage>"


def _rates(hit: int, lines: int, covered: int, points: int) -> str:
    return f'line-rate="{_rate(hit, lines)}" branch-rate="{_rate(covered, points)}"'


def _rate(part: int, whole: int) -> str:
    return f"{part / whole if whole else 1:.4f}"


def _quoted(text: str) -> str:
    return quoteattr(printable(text))
