"""One watchpoint: its bytes, the accesses it matches, and the action at a hit.

The address space tells it of every access that touches its bytes, in any thread, after the access has been made. What
plain memory held before a store is looked at; a device is never read for a watchpoint's sake, for that could change it,
so there "before" means what the last access to the same bytes showed.
"""

import time
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from functools import cache
from itertools import count
from threading import get_ident
from typing import Any, Final, Literal, TypeAlias, TypedDict, get_args, overload

from attrs import evolve

from decode import READ, READ_WRITE, WRITE, Direction
from mmio.closing import Closing
from mmio.records.access import Access, Space
from mmio.records.region import RecordedRegion
from mmio.records.symbols import Symbols
from mmio.watchpoints.hit import Hit, WatchpointStop, table

On: TypeAlias = Literal["read", "write", "access", "change"]
Condition: TypeAlias = int | Container[int] | Callable[[int], object]
"""An int to be equal to, a range or set to be in, or a function that says."""


class WatchOptions(TypedDict, total=False):
    """Options of a watchpoint besides its bytes; see `AddressSpace.watch`."""

    value: Condition | None
    ip: Condition | str | None
    when: Callable[[Hit], object] | None
    ignore: int
    call: Callable[[Hit], object] | None
    stop: bool
    keep: int | None
    name: str | None
    symbols: Symbols | None


_DIRECTIONS: Final = {"read": READ, "write": WRITE, "access": READ_WRITE, "change": READ_WRITE}


class Watch(Closing, Sequence[Hit]):
    """A watchpoint, which is also the sequence of its hits. Use it in a `with` statement, or close it.

    `AddressSpace.watch` and `mmio.watch` make it, and say what the arguments are; `detach` is called when it is closed.

    Attributes:
        start, end: the bytes watched.
        name: in its hits.
        total: how many hits there have been, those ignored and those no longer kept included.
    """

    def __init__(
        self,
        start: int,
        length: int,
        on: On = "write",
        *,
        value: Condition | None = None,
        ip: Condition | str | None = None,
        when: Callable[[Hit], object] | None = None,
        ignore: int = 0,
        call: Callable[[Hit], object] | None = None,
        stop: bool = False,
        keep: int | None = None,
        name: str | None = None,
        symbols: Symbols | None = None,
        space: Space = "memory",
        detach: Callable[["Watch"], None],
    ) -> None:
        if on not in get_args(On):
            raise ValueError(f"a watchpoint is on one of {', '.join(map(repr, get_args(On)))}, not {on!r}")
        if ignore < 0 or (keep is not None and keep < 0):
            raise ValueError(f"ignore and keep count hits, from 0: ignore={ignore}, keep={keep}")
        if length <= 0:
            raise ValueError(f"a watchpoint has at least one byte, not {length}")
        for wanted in (when, call):
            if wanted is not None and not callable(wanted):
                raise TypeError(f"when and call are functions that take a Hit, not {wanted!r}")
        self.start, self.end, self.on = start, start + length, on
        self.name = name or f"{start:#x}"
        self.total = 0
        self._change = on == "change"
        self._direction = _DIRECTIONS[on]
        self._value = None if value is None else _condition("value", value)
        self._ip = _function(ip, symbols) if isinstance(ip, str) else None if ip is None else _condition("ip", ip)
        self._when, self._call, self._stop, self._ignore = when, call, stop, ignore
        self._symbols, self._space = symbols, space
        self._closing: list[Callable[[], object]] = [lambda: detach(self)]
        self._hits: deque[Hit] = deque(maxlen=keep)
        self._numbers = count(1)  # an iterator, because one step of it is indivisible among threads
        self._inside: set[int] = set()  # threads that are in a condition or callback
        self._begun = time.monotonic_ns()
        self._last: dict[int, int] = {}  # bytes of devices, by address, as last seen

    def seen(
        self,
        who: Any,
        direction: Direction,
        address: int,
        width: int,
        value: int,
        old: int | None,
        region: RecordedRegion | None,
    ) -> None:
        """Hear of an access that touches what is watched.

        Args:
            who: made it: has `ip`, `instruction` and `thread`.
            direction: of the whole access, as the next three are.
            address: its first byte.
            width: in bytes.
            value: that was read or written; of an atomic the value written.
            old: what was there before, None when that is not known.
            region: where the access begins, None where nothing is mapped.

        Raises:
            WatchpointStop: it is a hit, and hits are to stop.
            Exception: whatever a condition or callback raises.
        """
        if get_ident() in self._inside:  # a condition or callback touches what it is about
            return
        first, last = max(self.start, address), min(self.end, address + width)
        new = value.to_bytes(width, "little")[first - address : last - address]
        if old is None:
            before = self._before(first, new)
        else:
            before = old.to_bytes(width, "little")[first - address : last - address]
        if not direction & self._direction or (self._change and (before is None or before == new)):
            return
        if self._value is not None and not self._value(int.from_bytes(new, "little")):
            return
        if self._ip is not None and not self._ip(who.ip):
            return
        number = self.total + 1
        access = Access(
            number - 1,
            time.monotonic_ns() - self._begun,
            who.thread,
            direction,
            self._space,
            address,
            width,
            value,
            old if direction == READ_WRITE else None,
            who.ip,
            who.instruction,
            None if region is None else region.name,
            None if region is None else address - region.start,
            None if region is None else region.name_at(address - region.start, width),
        )
        self._meet(Hit(number, access, self.name, first - self.start, before, new, self._symbols))

    def close(self) -> None:
        """Watch no more. Closing twice is closing once."""
        closing, self._closing = self._closing, []
        for function in closing:
            function()

    def when_closed(self, function: Callable[[], object]) -> None:
        """Call a function when it is closed, after those registered earlier."""
        self._closing.append(function)

    @property
    def closed(self) -> bool:
        """Return whether it watches no more."""
        return not self._closing

    def table(self, *, html: bool = False) -> str:
        """Return the hits as aligned text, or as HTML, one a row."""
        return table(list(self._hits), html=html)

    def _before(self, first: int, new: bytes) -> bytes | None:
        """Return what accesses have shown of these bytes so far, None unless all; note what this one has."""
        known = [self._last.get(at, -1) for at in range(first, first + len(new))]
        self._last.update(enumerate(new, first))
        return None if -1 in known else bytes(known)

    def _meet(self, hit: Hit) -> None:
        """Ask the last condition about a hit, and call the callback."""
        if self._when is not None and not self._outside(self._when, hit):
            return
        self.total = number = next(self._numbers)
        if number <= self._ignore:
            return
        if number != hit.number:  # another thread has come in between
            hit = evolve(hit, number=number)
        self._hits.append(hit)
        if self._call is not None:
            self._outside(self._call, hit)
        if self._stop:
            raise WatchpointStop(hit)

    def _outside(self, function: Callable[[Hit], object], hit: Hit) -> object:
        """Call a user's function, whose own accesses are no hits."""
        thread = get_ident()
        self._inside.add(thread)
        try:
            return function(hit)
        finally:
            self._inside.discard(thread)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> list[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | list[Hit]:
        return list(self._hits)[index] if isinstance(index, slice) else self._hits[index]

    def __len__(self) -> int:
        return len(self._hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(list(self._hits))

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return self.table(html=True)

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        return f"<Watch {self.name!r} {self.start:#x}..{self.end:#x} on {self.on}, {self.total} hits{state}>"


def _function(name: str, symbols: Symbols | None) -> Callable[[int], bool]:
    """Return the condition that an instruction is in a function.

    Raises:
        ValueError: no symbols are known.
    """
    if symbols is None:
        raise ValueError(f"ip={name!r} is the name of a function, and there are no symbols= to find it by")

    @cache
    def is_in(ip: int) -> bool:
        location = symbols.locate(ip)
        return location is not None and location.symbol == name

    return is_in


def _condition(what: str, condition: Condition) -> Callable[[int], object]:
    """Return a condition as a function.

    Raises:
        TypeError: it is none.
    """
    if callable(condition):
        return condition
    if isinstance(condition, int):
        return condition.__eq__
    if isinstance(condition, Container) and not isinstance(condition, str | bytes):
        return condition.__contains__
    raise TypeError(f"{what}= takes an int, a range or set of them, or a function of one, not {condition!r}")
