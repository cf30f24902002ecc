"""Which register is at which offset of a device class, worked out and checked once, when the class is made."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

from attrs import frozen

from mmio.device.field import Field, describe
from mmio.errors import DefinitionError

Part: TypeAlias = tuple[int, int, int, int]  # index of a place, first byte in it, bytes, first byte in the access
Cut: TypeAlias = tuple[tuple[Part, ...], int]  # the parts, ascending, and the mask of bytes where no register is


@frozen
class Place:
    """One register: where, how wide, its name ("CTRL", "FIFO[3]", "dma.CTRL") and its fields."""

    offset: int
    width: int
    name: str
    fields: Sequence[Field] = ()

    @property
    def end(self) -> int:
        """The first offset past it."""
        return self.offset + self.width

    @property
    def family(self) -> str:
        """The name without its last index: "FIFO" for "FIFO[3]"."""
        return self.name.rpartition("[")[0] if self.name.endswith("]") else self.name

    def __str__(self) -> str:
        return f"{self.name} at {self.offset:#x}..{self.end:#x}"


class Layout:
    """All registers of a device class, in order of offset.

    Raises DefinitionError, naming `device`, when two overlap or share a name.
    """

    def __init__(self, device: str, places: Iterable[Place]) -> None:
        self.places = sorted(places, key=lambda place: place.offset)
        self._starts = [place.offset for place in self.places]
        names: dict[str, Place] = {}
        for place in self.places:
            other = names.setdefault(place.name, place)
            if other is not place:
                raise DefinitionError(f"{device}: {place} has the same name as {other}")
        for place, following in pairwise(self.places):
            if following.offset < place.end:
                raise DefinitionError(f"{device}: {following} overlaps {place}")
        # Drivers make few different accesses many times over.
        self.cut = lru_cache(maxsize=4096)(self._cut)

    @property
    def extent(self) -> int:
        """Bytes from offset 0 to the end of the last register."""
        return self.places[-1].end if self.places else 0

    def _cut(self, offset: int, width: int) -> Cut:
        """Cut an access into the registers it touches."""
        parts: list[Part] = []
        holes = (1 << 8 * width) - 1
        for index in range(max(bisect_right(self._starts, offset) - 1, 0), len(self.places)):
            place = self.places[index]
            if place.offset >= offset + width:
                break
            first = max(place.offset, offset)
            length = min(place.end, offset + width) - first
            if length > 0:
                parts.append((index, first - place.offset, length, first - offset))
                holes &= ~((1 << 8 * length) - 1 << 8 * (first - offset))
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
        texts = []
        parts, _ = self.cut(offset, width)
        for index, first, length, at in parts:
            place = self.places[index]
            lanes = (1 << 8 * length) - 1 << 8 * first
            text = describe(place.fields, value >> 8 * at << 8 * first & lanes, lanes)
            if text:
                texts.append(text if len(parts) == 1 else f"{place.name}: {text}")
        return "; ".join(texts)
