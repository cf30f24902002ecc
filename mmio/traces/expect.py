"""Expected accesses of a driver, in lines that a test can hold.

A line is how a datasheet's programming example would read: `W4 CTRL=0x1`, then `R4 STATUS`. Direction and width are
exact, because a driver that gets them wrong is wrong; a value is compared where one is given, because what a
device answered is often not the driver's doing. A place goes by any name it has, so that a test need not know
where a region lies.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from mmio.pictures.table import Resolver
from mmio.records.access import Access
from mmio.records.printable import encodable
from mmio.traces.alignment import matches
from mmio.traces.naming import cut_of, names, warn_of_cut

CONTEXT: Final = 3  # equal accesses shown before and after each difference

_LINE: Final = re.compile(r"(?P<letter>R|W|RW)(?P<width>[1-9]\d*) (?P<place>[^=]+?)(?:=(?P<value>\w+))?")


@frozen(slots=True)
class Expected:
    """One line: direction, width in bytes, place, and the value if it matters."""

    letter: str
    width: int
    place: str
    value: int | None

    @classmethod
    def parse(cls, line: str) -> "Expected":
        """Read a line such as "W4 CTRL=0x1". Raises ValueError if it is none."""
        __tracebackhide__ = True
        match = _LINE.fullmatch(line)
        try:
            if match is not None:
                value = None if match["value"] is None else int(match["value"], 0)
                return cls(match["letter"], int(match["width"]), match["place"], value)
        except ValueError:
            pass
        raise ValueError(f"expected an access such as 'W4 CTRL=0x1', 'R2 timer+0x10' or 'R1 port 0x71', got {line!r}")

    def matches(self, access: Access) -> bool:
        """Return whether an access is the expected one; of an atomic the value written is compared."""
        return (
            (self.letter, self.width) == (access.letter, access.width)
            and self.value in (None, access.value)
            and self.place in _places(access)
        )


def notation(access: Access, *, region: bool = False) -> str:
    """Return the line of an access: "R4 STATUS=0x3", with its `region` "R4 timer.STATUS=0x3"."""
    place = access.place if region else access.register or access.place
    return f"{access.letter}{access.width} {place}={access.value:#x}"


def assert_accesses(accesses: Sequence[Access], expected: Sequence[str]) -> None:
    """Demand that a trace is exactly what the lines say.

        assert_accesses(mapping.trace, ["W4 CTRL=0x1", "R4 STATUS"])

    A line is direction (R, W, or RW for an atomic) and width in bytes, a place, and a value in any base where it
    matters. A place is a register ("CTRL" or "timer.CTRL"), an offset ("+0x10" or "timer+0x10"), an address
    ("0xfe000000") or a port ("port 0x71").

    Raises:
        AssertionError: something is missing, added or different; the message shows where, as a diff, and which
            instruction made what was not expected: by name if the trace knows names, as in
            `mmio.Trace(locate=mmio.Symbols().locate)`.
        ValueError: a line is not in this form.
        TypeError: these are no accesses, or no lines.
    """
    __tracebackhide__ = True  # pytest then points at the test
    if isinstance(expected, str):
        raise TypeError(f"expected is a list of lines, not one: [{expected!r}]")
    if not isinstance(accesses, Sequence):
        raise TypeError(f"accesses is a trace or a list of accesses, such as mapping.trace, not {accesses!r}")
    wanted = [Expected.parse(line) for line in expected]
    warn_of_cut(accesses, stacklevel=2)
    if len(wanted) == len(accesses) and all(map(Expected.matches, wanted, accesses)):
        return
    made = list(accesses)
    lines = "\n".join(map(encodable, _diff(made, wanted, expected, names(accesses))))
    count = f"{len(wanted)} access{'es' * (len(wanted) != 1)}"
    cut = cut_of(accesses)
    incomplete = "" if cut is None else f"; {cut}"
    raise AssertionError(f"expected {count} (-), the driver made {len(made)} (+){incomplete}\n{lines}")


def _places(access: Access) -> tuple[str, ...]:
    """Every name of the place an access went to."""
    address = f"port {access.address:#x}" if access.space == "port" else f"{access.address:#x}"
    if access.offset is None:
        return (address,)
    offset = f"+{access.offset:#x}"
    return address, offset, f"{access.region}{offset}", access.place, access.register or offset


def _diff(made: list[Access], wanted: list[Expected], lines: Sequence[str], resolve: Resolver) -> Iterator[str]:
    """The lines of a diff, with some equal accesses around each difference."""
    numbers: dict[Expected, int] = {}
    keys = [numbers.setdefault(line, len(numbers)) for line in wanted]
    # An access is known by the line it matches: the one in its own place if it can be, else the first.
    own = [
        keys[i] if i < len(wanted) and wanted[i].matches(access) else _first(numbers, access)
        for i, access in enumerate(made)
    ]
    several = len({access.region for access in made}) > 1
    x = y = 0
    for start, begin, length in [*matches(keys, own), (len(keys), len(own), 0)]:
        yield from (f"- {line}" for line in lines[x:start])
        yield from (f"+ {notation(access, region=several)}{_by(access, resolve)}" for access in made[y:begin])
        same = [f"  {notation(access, region=several)}" for access in made[begin : begin + length]]
        head = CONTEXT if (x or y or start or begin) else 0
        tail = CONTEXT if start + length < len(keys) or begin + length < len(own) else 0
        if len(same) > head + tail + 1:
            same[head : len(same) - tail] = [f"  … {len(same) - head - tail:,} as expected"]
        yield from same
        x, y = start + length, begin + length


def _by(access: Access, resolve: Resolver) -> str:
    """Return the instruction that made an access, as far as is known."""
    return (f"    at {resolve(access.ip)}" if access.ip else "") + (f": {access.text}" if access.text else "")


def _first(numbers: dict[Expected, int], access: Access) -> int:
    return next((number for line, number in numbers.items() if line.matches(access)), -1)
