"""Contents of a report: the accesses as columns, and the tables that these refer to.

An access is a time, a value and the number of a *spot*; a spot is a site (who made the access, and how), a place (which
register) and an address. So a million accesses are some bytes each, and all text is there once. Every text is made
printable: names come from traced programs and from files.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from mmio.device.field import Field, shown
from mmio.pictures.lanes import NEAR, lane_name
from mmio.records.access import LETTERS
from mmio.records.events import Cut, Event, Loss, Mark, Undecoded
from mmio.records.fields import folded
from mmio.records.flags import flag_names
from mmio.records.printable import printable
from mmio.records.spot import Spot
from mmio.records.symbols import Location
from mmio.reports.naming import Naming
from mmio.traces.columns import Columns

MAX_LANES: Final = 400  # of more registers some share a lane of the timeline
MAX_WORDS: Final = 50_000  # values of which the records say in words what they mean
MAX_EVENTS: Final = 10_000
NONE: Final = 0xFFFFFFFF
"""Number that stands for no region or no register."""

_Place: TypeAlias = tuple[str, str | None, str | None, int]
"""Of a place: its space, its region, its register, and where it has none its offset or address."""


class Contents:
    """Tables and columns of accesses.

    Args:
        columns: the accesses.
        naming: names their registers and fields.
        located: where instructions are.
    """

    def __init__(self, columns: Columns, naming: Naming, located: dict[int, Location]) -> None:
        self._columns = columns
        self._naming = naming
        self._located = located
        self._sites: dict[tuple[object, ...], int] = {}
        self._site_rows: list[list[Any]] = []
        self._code: dict[tuple[int, str], int] = {}
        self._layouts: dict[object, int] = {}
        self._layout_rows: list[list[list[Any]]] = []
        self._regions: dict[tuple[str, str | None], int] = {}
        self._registers: dict[str, int] = {}
        self._places: dict[_Place, int] = {}
        self._place_spots: list[Spot] = []
        self._first_spots: list[int] = []
        self._spots: dict[tuple[int, int, int, int], int] = {}

    def parts(self) -> "tuple[dict[str, Any], dict[str, array[int]]]":
        """Return the data and the columns, as `packed` takes them."""
        given = self._columns
        used = sorted(set(given.spot_numbers))
        numbers = {number: self._spot(given.spots[number]) for number in used}
        rows = array("I", map(numbers.__getitem__, given.spot_numbers))
        sites, places, addresses, offsets = zip(*self._spots, strict=True) if self._spots else ((), (), (), ())
        lanes, lane_of = _lanes(self._place_spots, [self._naming.register(spot) for spot in self._place_spots])
        data = {
            "sites": self._site_rows,
            "code": [self._code_row(ip, text) for ip, text in self._code],
            "layouts": self._layout_rows,
            "regions": [[space, None if name is None else printable(name)] for space, name in self._regions],
            "registers": list(map(printable, self._registers)),
            "lanes": list(map(printable, lanes)),
            "began": given.began,
            "wide": [[row, hex(value), None if old is None else hex(old)] for row, (value, old) in given.wide.items()],
            "words": self._words(rows),
        }
        registers = (NONE if register is None else self._registers[register] for _, _, register, _ in self._places)
        columns = {
            "time": given.times,
            "value": given.values,
            "spot": rows,
            "spotSite": array("I", sites),
            "spotPlace": array("I", places),
            "spotAddress": array("Q", addresses),
            "spotOffset": array("Q", offsets),
            "placeRegion": array("I", [self._regions[space, region] for space, region, _, _ in self._places]),
            "placeRegister": array("I", registers),
            "placeSpot": array("I", self._first_spots),
            "placeLane": array("I", lane_of),
        }
        return data, columns

    def _spot(self, spot: Spot) -> int:
        key = self._site(spot), self._place(spot), spot.address, _where(spot)
        return self._spots.setdefault(key, len(self._spots))

    def _site(self, spot: Spot) -> int:
        fields = self._naming.fields(spot)
        key = (spot.thread, spot.direction, spot.width, spot.ip, id(spot.instruction), spot.flags, fields_key(fields))
        number = self._sites.get(key)
        if number is None:
            number = self._sites[key] = len(self._sites)
            text = "" if spot.instruction is None else spot.instruction.format(ip=spot.ip)
            code = self._code.setdefault((spot.ip, text), len(self._code))
            notes = ", ".join(flag_names(spot.flags))
            letter = LETTERS[spot.direction]
            self._site_rows.append([str(spot.thread), letter, spot.width, code, notes, self._layout(fields)])
        return number

    def _layout(self, fields: tuple[Field, ...]) -> int:
        key = fields_key(fields)
        number = self._layouts.get(key)
        if number is None:
            number = self._layouts[key] = len(self._layout_rows)
            self._layout_rows.append(
                [[printable(f.name), f.msb, f.lsb, {hex(v): printable(n) for v, n in f.enum.items()}] for f in fields]
            )
        return number

    def _place(self, spot: Spot) -> int:
        register = self._naming.register(spot)
        self._regions.setdefault((spot.space, spot.region), len(self._regions))
        if register is not None:
            self._registers.setdefault(register, len(self._registers))
        key = spot.space, spot.region, register, _where(spot) if register is None else 0
        number = self._places.get(key)
        if number is None:
            number = self._places[key] = len(self._place_spots)
            self._place_spots.append(spot)
            self._first_spots.append(len(self._spots))
        return number

    def _code_row(self, ip: int, text: str) -> list[Any]:
        """Return the instruction pointer, the instruction, its name, its functions, module and source line."""
        place = self._located.get(ip)
        if place is None:
            return [hex(ip) if ip else "", printable(text), "", [], "", ""]
        line = place.calls or place.line
        name = f"{place.symbol}+{place.into:#x}" if place.symbol else f"{place.module}+{place.offset:#x}"
        functions = list(map(printable, place.functions))
        return [hex(ip), printable(text), printable(name), functions, printable(place.module), printable(line)]

    def _words(self, rows: "array[int]") -> list[list[Any]]:
        """Return what records say of values: number of the spot, value, words; where the fields alone do not tell."""
        given = self._columns
        telling = {
            number
            for number in set(given.spot_numbers)
            if given.spots[number].describe is not None and not self._naming.knows(given.spots[number])
        }
        if not telling:
            return []
        fields = {number: self._naming.fields(given.spots[number]) for number in telling}
        words: dict[tuple[int, int], str] = {}
        examined: set[tuple[int, int]] = set()
        for row, number in enumerate(given.spot_numbers):
            pair = number, given.values[row]
            if number not in telling or pair in examined:
                continue
            examined.add(pair)
            spot = given.spots[number]
            text = folded(spot.decoded(pair[1]), spot.layout, pair[1])
            if text and text != shown(fields[number], pair[1]):
                words[rows[row], pair[1]] = text
            if len(examined) >= MAX_WORDS:
                break
        return [[spot, hex(value), printable(text)] for (spot, value), text in words.items()]


def fields_key(fields: Iterable[Field]) -> tuple[object, ...]:
    """Return a value that is equal for equal fields."""
    return tuple((field.name, field.msb, field.lsb, tuple(field.enum.items())) for field in fields)


def notes(events: Iterable[Event], sequences: Sequence[int]) -> list[list[Any]]:
    """Return the events that say something to a reader: row of the access that follows, time, what it is, text.

    Args:
        events: of a trace.
        sequences: the numbers of its accesses, in order.
    """
    found: list[list[Any]] = []
    for event in events:
        if isinstance(event, Mark | Loss | Cut):
            text = str(event)
        elif isinstance(event, Undecoded):
            text = f"unknown instruction {event.code.hex(' ')} at {event.ip:#x} touched {event.address:#x}"
        else:
            continue
        if len(found) == MAX_EVENTS:
            break
        found.append([bisect_left(sequences, event.sequence), event.time, type(event).__name__, printable(text)])
    return found


def _where(spot: Spot) -> int:
    return spot.address if spot.offset is None else spot.offset


def _lanes(spots: Sequence[Spot], registers: Sequence[str | None]) -> tuple[list[str], list[int]]:
    """Return the names of lanes in the order of addresses, and the lane of each place.

    Of too many places the elements of an array share a lane, and then places without a name that lie near each other.
    """
    whole = [_full_name(spot, register) for spot, register in zip(spots, registers, strict=True)]
    names = whole
    for near in NEAR:
        if len(set(names)) <= MAX_LANES:
            break
        shared = [lane_name(spot, near, register) for spot, register in zip(spots, registers, strict=True)]
        members = Counter(shared)
        names = [each if members[name] == 1 else name for each, name in zip(whole, shared, strict=True)]
    order = sorted(range(len(spots)), key=lambda n: (spots[n].space, spots[n].region or "", _where(spots[n])))
    numbers: dict[tuple[str, str], int] = {}
    for place in order:
        numbers.setdefault((spots[place].space, names[place]), len(numbers))
    return [name for _, name in numbers], [numbers[s.space, n] for s, n in zip(spots, names, strict=True)]


def _full_name(spot: Spot, register: str | None) -> str:
    return spot.place if register is None else f"{spot.region}.{register}"
