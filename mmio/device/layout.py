"""Register layout of a device class, computed and checked once, when the class is made.

Where registers share bytes, what an access in one direction reaches in one state is a *view*: a layout of fewer
registers, in which nothing overlaps.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import lru_cache
from typing import TypeAlias

from attrs import frozen

from decode import READ, WRITE, Direction
from mmio.device.field import Field, describe
from mmio.device.sharing import Condition
from mmio.errors import DefinitionError

Part: TypeAlias = tuple[int, int, int, int]  # index of a place, first byte in it, bytes, first byte in the access
Cut: TypeAlias = tuple[tuple[Part, ...], int]  # the parts, ascending, and the mask of bytes where no register is
AfterWrite: TypeAlias = Callable[[int, int, int], int]


@frozen
class RegisterPlace:
    """One register: where, how wide, its name ("CTRL", "FIFO[3]", "dma.CTRL") and its fields.

    `when`: it is only there while this holds. `readable`, `writable`: whether any of its bits are.
    """

    offset: int
    width: int
    name: str
    fields: Sequence[Field] = ()
    when: Condition | None = None
    readable: bool = True
    writable: bool = True

    @property
    def end(self) -> int:
        """The first offset past it."""
        return self.offset + self.width

    @property
    def family(self) -> str:
        """The name without its last index: "FIFO" for "FIFO[3]"."""
        return self.name.rpartition("[")[0] if self.name.endswith("]") else self.name

    def can_share(self, other: "RegisterPlace") -> bool:
        """Return whether no access can mean both: they exist at different times, or one is read, the other written."""
        if self.when is not None and other.when is not None and self.when.excludes(other.when):
            return True
        both = (self.readable and other.readable) or (self.writable and other.writable)
        return not both and (self.offset, self.width) == (other.offset, other.width)

    def goes(self, direction: Direction) -> bool:
        """Return whether an access in this direction has something to do here."""
        return self.readable if direction == READ else self.writable

    def __str__(self) -> str:
        return f"{self.name} at {self.offset:#x}..{self.end:#x}"


class Layout:
    """All registers of a device class, in order of offset.

    Attributes:
        places: the registers.
        shared: the numbers of those that are not alone at their bytes, or not there all the time.
        conditions: what their being there depends on, as (number of a register, mask, value).

    Raises DefinitionError, naming `device`, when two share a name, or share bytes so that an access could mean both.
    """

    def __init__(self, device: str, places: Iterable[RegisterPlace]) -> None:
        self.places = sorted(places, key=lambda place: place.offset)
        numbers: dict[str, int] = {}
        for number, place in enumerate(self.places):
            other = numbers.setdefault(place.name, number)
            if other != number:
                raise DefinitionError(f"{device}: {place} has the same name as {self.places[other]}")
        self._numbered = numbers
        self._overlaps = self._overlapping(device)
        self.shared = frozenset(number for pair in self._overlaps for number in pair) | frozenset(
            number for number, place in enumerate(self.places) if place.when is not None
        )
        self.conditions = tuple(
            (numbers[when.register], when.mask, when.value)
            for when in dict.fromkeys(self.places[number].when for number in sorted(self.shared))
            if when is not None
        )
        self.view = lru_cache(maxsize=None)(self._view)
        self._show(range(len(self.places)))

    def _overlapping(self, device: str) -> list[tuple[int, int]]:
        """Return the pairs of registers that share bytes. Raises DefinitionError when they cannot."""
        pairs = []
        for number, place in enumerate(self.places):
            for other in range(number + 1, len(self.places)):
                following = self.places[other]
                if following.offset >= place.end:
                    break
                if not place.can_share(following):
                    raise DefinitionError(
                        f"{device}: {following} overlaps {place}; two registers share bytes when one of them is only "
                        "read and the other only written (access), or when they are there at different times (when)"
                    )
                pairs.append((number, other))
        return pairs

    def _show(self, numbers: Iterable[int]) -> None:
        self._numbers = list(numbers)
        self._starts = [self.places[number].offset for number in self._numbers]
        # Drivers make few different accesses many times over.
        self.cut = lru_cache(maxsize=4096)(self._cut)
        # Asked with every access that is written to a file; those that fill a buffer go round and round.
        self.fields_at = lru_cache(maxsize=1 << 15)(self._fields_at)
        self._described = lru_cache(maxsize=4096)(self._describe)

    def _view(self, direction: Direction, holding: tuple[bool, ...]) -> "Layout":
        """Return the layout an access in this direction meets while these of the `conditions` hold."""
        holds = dict(zip(self.conditions, holding, strict=True))
        there = {
            number
            for number, place in enumerate(self.places)
            if place.when is None or holds[self.number(place.when.register), place.when.mask, place.when.value]
        }
        for one, other in self._overlaps:
            if one in there and other in there:
                there.remove(other if self.places[one].goes(direction) else one)
        view = copy(self)
        view._show(sorted(there))
        return view

    def number(self, name: str) -> int:
        """Return the number of a register, its index in `places`. Raises KeyError when there is none of the name."""
        return self._numbered[name]

    @property
    def extent(self) -> int:
        """Bytes from offset 0 to the end of the last register."""
        return max((place.end for place in self.places), default=0)

    def _cut(self, offset: int, width: int) -> Cut:
        """Cut an access into the registers it touches. Where some share bytes, ask a view."""
        parts: list[Part] = []
        holes = (1 << 8 * width) - 1
        for index in self._numbers[max(bisect_right(self._starts, offset) - 1, 0) :]:
            place = self.places[index]
            if place.offset >= offset + width:
                break
            first = max(place.offset, offset)
            length = min(place.end, offset + width) - first
            if length > 0:
                parts.append((index, first - place.offset, length, first - offset))
                holes &= ~((1 << 8 * length) - 1 << 8 * (first - offset))
        return tuple(parts), holes

    def cut_write(self, offset: int, width: int, value: int, values: Sequence[int], after: AfterWrite) -> Cut:
        """Cut a write where registers share bytes: its first bytes may choose which registers the others reach.

        So a word to an index register and the data register behind it reaches what the new index chooses.

        Args:
            offset: of the access.
            width: of the access in bytes.
            value: what is written.
            values: of all registers before.
            after: returns the value a register has after a write: `after(number, data, lanes)`.
        """
        now = list(values)
        parts: list[Part] = []
        holes = at = 0
        while at < width:
            view = self.view(WRITE, tuple([now[i] & mask == wanted for i, mask, wanted in self.conditions]))
            found, _ = view.cut(offset + at, width - at)
            if not found or found[0][3]:
                holes |= 0xFF << 8 * at
                at += 1
                continue
            index, first, length, _ = found[0]
            parts.append((index, first, length, at))
            lanes = (1 << 8 * length) - 1 << 8 * first
            now[index] = after(index, value >> 8 * at << 8 * first & lanes, lanes)
            at += length
        return tuple(parts), holes

    def name_at(self, offset: int, width: int) -> str | None:
        """Name what an access touches: "CTRL", "CTRL+2" inside of it, "CTRL..STAT" across; None where nothing is."""
        parts, _ = self.cut(offset, width)
        if not parts:
            return None
        index, first, _, _ = parts[0]
        name = self.places[index].name + (f"+{first}" if first else "")
        return name if len(parts) == 1 else f"{name}..{self.places[parts[-1][0]].name}"

    def describe(self, offset: int, width: int, value: int) -> str:
        """Print the fields that lie in an access entirely: "EN=1 PSC=0x03"; empty when there are none."""
        return self._described(offset, width, value) if self.fields_at(offset, width) else ""

    def _describe(self, offset: int, width: int, value: int) -> str:
        texts = []
        parts, _ = self.cut(offset, width)
        for index, first, length, at in parts:
            place = self.places[index]
            lanes = (1 << 8 * length) - 1 << 8 * first
            text = describe(place.fields, value >> 8 * at << 8 * first & lanes, lanes)
            if text:
                texts.append(text if len(parts) == 1 else f"{place.name}: {text}")
        return "; ".join(texts)

    def _fields_at(self, offset: int, width: int) -> tuple[tuple[str, int, int], ...]:
        """Name the fields that lie in an access entirely, each with its highest and lowest bit in the access."""
        parts, _ = self.cut(offset, width)
        found: list[tuple[str, int, int]] = []
        for index, first, length, at in parts:
            place = self.places[index]
            prefix = f"{place.name}." if len(parts) > 1 else ""
            shift = 8 * (at - first)
            found += (
                (f"{prefix}{field.name}", field.msb + shift, field.lsb + shift)
                for field in place.fields
                if 8 * first <= field.lsb and field.msb < 8 * (first + length)
            )
        return tuple(found)
