"""Coverage of a device as a table for the terminal."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from mmio.coverage.counted import KINDS, PATHS, Covered, RegisterCoverage
from mmio.pictures.columns import Column, aligned
from mmio.records.printable import printable

COLUMNS: Final = (
    Column("offset", right=True),
    Column("register"),
    Column("reads", right=True),
    Column("writes", right=True),
    Column("widths"),
    Column("points", right=True),
    Column("missing"),
)
_SHOWN: Final = 6  # points that are missing, in a row


def report(coverage: Covered) -> str:
    """Return the report: a row for each register, equal neighbours of an array in one, and what was not touched."""
    return printable("\n".join(_lines(coverage)), lines=True)


def _lines(coverage: Covered) -> Iterator[str]:
    yield f"{coverage.name}: {coverage.total} points covered"
    yield ", ".join(f"{kind} {share}" for kind, share in coverage.shares.items() if share.total)
    yield ""
    rows = [_row(group) for group in alike(coverage.registers)]
    yield aligned(COLUMNS, rows)
    lists = (
        ("never read", coverage.never_read),
        ("never written", coverage.never_written),
        ("written, never read back", coverage.never_read_back),
    )
    told = [f"{title}: {', '.join(folded(names))}" for title, names in lists if names] + list(_paths(coverage))
    if told:
        yield ""
        yield from told


def folded(names: Sequence[str]) -> Iterator[str]:
    """Iterate over names, neighbours of one array as one: CURVE[1..7]."""
    for _, group in groupby(enumerate(names), key=_run):
        run = [name for _, name in group]
        yield run[0] if len(run) == 1 else f"{run[0][:-1]}..{run[-1].rpartition('[')[2]}"


def _run(numbered: tuple[int, str]) -> object:
    """Return what is equal for neighbours of one array: the family, and how far the index is ahead of the place."""
    number, name = numbered
    family, bracket, index = name.rpartition("[")
    return (family, int(index[:-1]) - number) if bracket and index[:-1].isdecimal() else name


def _paths(coverage: Covered) -> Iterator[str]:
    for path in PATHS:
        taken = [(key, times) for key, times in sorted(coverage.paths.items()) if key[0] == path]
        if taken:
            texts = [
                f"{letter}{width} {place}{f' *{times}' * (times > 1)}" for (_, letter, place, width), times in taken
            ]
            yield f"{path}: {', '.join(texts)}"


def _row(group: Sequence[RegisterCoverage]) -> tuple[str, ...]:
    first = group[0]
    points = [point for register in group for point in register.points]
    covered = sum(point.covered for point in points)
    missing = missing_of(first)
    more = len(missing) - _SHOWN
    shown = ", ".join(missing[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return (
        f"{first.offset:#x}",
        together(group),
        f"{first.reads:,}" if first.readable or first.reads else "-",
        f"{first.writes:,}" if first.writable or first.writes else "-",
        ", ".join(f"{width}" for width in sorted(first.widths)),
        "omitted" if first.omitted else f"{covered}/{len(points)}",
        shown,
    )


def missing_of(register: RegisterCoverage) -> list[str]:
    """Return the points of a register that are not covered, without its name.

    Of a register that was never read, its fields need not be named as such; nor where it was never written.
    """
    points = [point for point in register.points if not point.covered]
    whole = tuple(point.what for point in points if point.kind == "registers")
    left = [point for point in points if not (point.kind == "fields" and point.what.endswith(whole))]
    return [point.what.strip().lstrip(".") for kind in KINDS for point in left if point.kind == kind]


def alike(registers: Iterable[RegisterCoverage]) -> list[list[RegisterCoverage]]:
    """Return registers in groups: neighbours in an array of which the same was seen, and the others alone."""
    return [list(group) for _, group in groupby(registers, key=_alike)]


def together(group: Sequence[RegisterCoverage]) -> str:
    """Return one name for a group."""
    first, last = group[0].name, group[-1].name
    return first if len(group) == 1 else f"{first[:-1]}..{last.rpartition('[')[2]}"


def _alike(register: RegisterCoverage) -> object:
    """Return a key that is equal for elements of an array of which the same was seen."""
    if not register.name.endswith("]"):
        return register.name
    family = register.name.rpartition("[")[0]
    widths = tuple(sorted(register.widths.items()))
    fields = [(field.read, field.written, field.values, field.rose, field.fell) for field in register.fields]
    return family, register.reads, register.writes, widths, fields, register.omitted
