"""Common part of the accesses of one instruction to one place: everything but number, time and value.

A driver makes few different accesses many times over. Code that turns them into something else (a line of a file, a row
of a table) works out once a spot what repeats, and for each access only what does not.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from attrs import define

from decode import Direction, Instruction
from mmio.records.access import Access, Describe, Space, place
from mmio.records.fields import FieldPlace

LIMIT: Final = 1 << 14  # a driver that fills video memory has a spot for each word of it


@define(eq=False)  # not frozen: in a fill every access is a new spot, and freezing costs as much as all the rest
class Spot:
    """The attributes of `Access` that its accesses share. Nothing changes them."""

    thread: int
    direction: Direction
    space: Space
    address: int
    width: int
    ip: int
    instruction: Instruction | None
    region: str | None
    offset: int | None
    register: str | None
    flags: int
    describe: Describe | None
    layout: tuple[FieldPlace, ...]

    @classmethod
    def of(cls, access: Access) -> "Spot":
        """Return the spot of an access."""
        return cls(*_shared(access))

    def access(self, sequence: int, time: int, value: int, old: int | None = None) -> Access:
        """Return an access here."""
        return Access(
            sequence,
            time,
            self.thread,
            self.direction,
            self.space,
            self.address,
            self.width,
            value,
            old,
            self.ip,
            self.instruction,
            self.region,
            self.offset,
            self.register,
            self.flags,
            self.describe,
            self.layout,
        )

    @property
    def place(self) -> str:
        """The place, as `Access.place`."""
        return place(self.space, self.address, self.region, self.offset, self.register)

    def decoded(self, value: int) -> str:
        """Return what `Access.decoded` is for a value."""
        return "" if self.describe is None or self.offset is None else self.describe(self.offset, self.width, value)


Key = TypeVar("Key")
Made = TypeVar("Made")


class Remembered(dict[Key, Made], Generic[Key, Made]):
    """Bounded memo of a function of one argument."""

    def __init__(self, make: Callable[[Key], Made]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> Made:
        made = self._make(key)
        if len(self) >= LIMIT:
            self.clear()
        self[key] = made
        return made


class Spots:
    """Finds the spot of an access, the same one for equal ones as long as it is remembered."""

    def __init__(self) -> None:
        self._spots: dict[tuple[object, ...], Spot] = {}

    def of(self, access: Access) -> Spot:
        """Return the spot of an access."""
        shared = _shared(access)
        # Comparing two instructions field by field is slow. A spot keeps its own alive, so an id stays what it is.
        key = (*shared[:6], id(access.instruction), *shared[7:])
        spot = self._spots.get(key)
        if spot is None:
            if len(self._spots) >= LIMIT:
                self._spots.clear()
            spot = self._spots[key] = Spot(*shared)
        return spot


def _shared(access: Access) -> tuple:  # type: ignore[type-arg]
    return (
        access.thread,
        access.direction,
        access.space,
        access.address,
        access.width,
        access.ip,
        access.instruction,
        access.region,
        access.offset,
        access.register,
        access.flags,
        access.describe,
        access.layout,
    )
