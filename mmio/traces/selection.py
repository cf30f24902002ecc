"""Select accesses: one value for filters in Python and on the command line.

`TraceView.filter` makes a `Selection` of values and collections. `Selection.parse` makes one of words: a place goes by
any name it has (`uart`, `uart.STATUS`, `uart+0x10..0x20`, `STATUS`, `0xfe000000+0x100`, `port 0x70`), numbers may be
ranges, and code goes by its address, its module or its function.
"""

import re
from collections.abc import Callable, Container, Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Self, SupportsIndex, get_args

from attrs import evolve, field, frozen

from decode import READ, READ_WRITE, WRITE, Direction
from mmio.arguments import shortened
from mmio.records.access import LETTERS, Access, Space
from mmio.records.events import Record
from mmio.records.symbols import Location
from mmio.traces.expected import Expected
from mmio.traces.grammar import parse_access

if TYPE_CHECKING:
    from mmio.records.sink import Sink
    from mmio.traces.known import Known

Locate = Callable[[int], Location | None]
"""Says where an instruction pointer is: `mmio.Symbols().locate`."""

_NUMBER: Final = r"(?:0[xX][0-9a-fA-F]{1,1000}|[0-9]{1,1000})"  # a value may be as wide as a vector register
_SPAN: Final = re.compile(rf"({_NUMBER})(?:(\.\.|\+)({_NUMBER}))?")
_MEANT_AS_SPAN: Final = re.compile(r"0[xX]|\d+(?:\.\.|\+|$)")
_TIME: Final = re.compile(r"(\d{1,20})(?:\.(\d{1,9}))?(s|ms|us|µs|ns)?")
_ACCESS: Final = re.compile(r"(?:R|W|RW)\d* +\S")
_WORDS: Final = ("read", "write", "read_write")
DIRECTIONS: Final = {letter: direction for direction, letter in LETTERS.items()} | {
    word.upper(): direction for word, direction in zip(_WORDS, (READ, WRITE, READ_WRITE), strict=True)
}
"""Directions in words, in capitals."""
_UNITS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1, None: 10**9}


@frozen(slots=True)
class PlacePattern:
    """PlacePattern of an access, as a person writes it.

    `names`: a pattern with * and ? for a region, a register, or both ("uart.STATUS"). `offsets` of a region that
    `region` is a pattern for, "" for any; `addresses` of `space`.
    """

    names: str = ""
    region: str = ""
    offsets: range | None = None
    addresses: range | None = None
    space: str = "memory"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "uart", "uart.STATUS", "uart+0x10", "+0x10..0x20", "0xfe000000+0x100" or "port 0x70..0x72".

        Raises:
            ValueError: it is none of these.
        """
        if text.startswith("port "):
            return cls(addresses=span(text.removeprefix("port ").strip()), space="port")
        if _MEANT_AS_SPAN.match(text):
            return cls(addresses=span(text))
        name, plus, offsets = text.partition("+")
        if plus and _MEANT_AS_SPAN.match(offsets):
            return cls(text, name, span(offsets))  # or a part of a register: records have names such as CTRL+2
        if not text or text.startswith("+"):
            examples = "'uart', 'uart.STATUS', 'uart+0x10..0x20', '0xfe000000+0x100' or 'port 0x70'"
            raise ValueError(f"expected a place such as {examples}, got {text!r}")
        return cls(text)

    def has(self, access: Access) -> bool:
        """Return whether an access touches the place."""
        if self.addresses is not None:
            return access.space == self.space and _touches(access.address, access.width, self.addresses)
        if access.region is None or access.offset is None:
            return False
        if self.offsets is not None and (not self.region or _like(access.region, self.region)):
            return _touches(access.offset, access.width, self.offsets)
        return any(_like(name, self.names) for name in _names(access))


@frozen(slots=True)
class Numbers:
    """The numbers in some ranges; a container."""

    ranges: tuple[range, ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Read a number or a range a text, see `span`."""
        return cls(tuple(map(span, texts)))

    def __contains__(self, number: object) -> bool:
        return any(number in numbers for numbers in self.ranges)


@frozen(slots=True)
class Code:
    """The instruction pointers of some code: at addresses, in modules, in functions; a container.

    `names` are patterns with * and ? for a module or a function. They need `locate`, which says where an instruction
    pointer is; without it, asking raises ValueError.
    """

    addresses: Numbers
    names: tuple[str, ...] = ()
    locate: Locate | None = None
    _known: dict[int, bool] = field(factory=dict, init=False, eq=False, repr=False)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Read "0x401000", "0x401000..0x402000", "lib.so" or "uart_init", each a text."""
        texts = list(texts)
        if "" in texts:
            raise ValueError("expected code such as 0x401000, 0x401000..0x402000, 'lib.so' or 'uart_init', got ''")
        numbers = [text for text in texts if _MEANT_AS_SPAN.match(text)]
        return cls(Numbers.parse(numbers), tuple(text for text in texts if text not in numbers))

    def __contains__(self, ip: object) -> bool:
        assert isinstance(ip, int)
        known = self._known.get(ip)
        if known is None:  # finding a name is slow, and the same few instructions come again and again
            known = self._known[ip] = ip in self.addresses or self._named(ip)
        return known

    def _named(self, ip: int) -> bool:
        if not self.names:
            return False
        if self.locate is None:
            names = ", ".join(self.names)
            raise ValueError(f"cannot tell which code is {names}: this trace does not say where its modules lay")
        location = self.locate(ip)
        found = () if location is None else (location.module, *location.functions)
        return any(_like(name, pattern) for name in found if name for pattern in self.names)


def _direction(value: Any) -> Direction | None:
    """Return a direction that is given as one, or in words."""
    if value is None or isinstance(value, Direction):
        return value
    if not isinstance(value, str):
        raise TypeError(f"direction is 'R', 'W' or 'RW', or decode.READ, WRITE or READ_WRITE, not {shortened(value)}")
    direction = DIRECTIONS.get(value.upper())
    if direction is None:
        raise ValueError(f"direction is 'R', 'W' or 'RW' (in words: {', '.join(_WORDS)}), not {shortened(value)}")
    return direction


@frozen(slots=True, kw_only=True)
class Selection:
    """Filter of accesses: those for which every given condition holds.

    `only`: the access touches one of these places; `without`: and none of these. `since` (included) and `until` (not
    included) are times in ns. An atomic both reads and writes, so it passes `direction=READ` and `direction=WRITE`;
    `READ_WRITE` lets only atomics through. Every other attribute is a value the access must have, or a container
    (range, set, tuple, list …) that must hold it; None stands for any.
    """

    only: tuple[PlacePattern | Expected, ...] = ()
    without: tuple[PlacePattern | Expected, ...] = ()
    direction: Direction | None = field(default=None, converter=_direction)
    since: int | None = None
    until: int | None = None
    region: Any = None
    register: Any = None
    offset: Any = None
    address: Any = None
    space: Any = None
    width: Any = None
    value: Any = None
    ip: Any = None
    thread: Any = None
    _tests: tuple[tuple[str, Callable[[object], bool]], ...] = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse what no access can have: it would choose nothing, and look like an answer."""
        for name in ("since", "until"):
            time = getattr(self, name)
            if time is not None and not isinstance(time, int):
                raise TypeError(f"{name} is a time in ns, an int, not {time!r}")
            if time is not None and time < 0:
                raise ValueError(f"{name} is a time in ns, from 0, not {time}")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise ValueError(f"until is a time after since, which is {self.since} ns, not {self.until} ns")
        for name in ("offset", "address", "width", "value", "ip", "thread"):
            given = getattr(self, name)
            if isinstance(given, str | bytes) or not (given is None or isinstance(given, Container | SupportsIndex)):
                raise TypeError(f"{name} is an int, or a range or set of them, not {shortened(given)}")
            if isinstance(given, int) and given < 0:
                raise ValueError(f"{name} is an int from 0, or a range or set of them, not {shortened(given)}")
        for name in ("region", "register", "space"):
            given = getattr(self, name)
            if given is not None and (isinstance(given, bytes) or not isinstance(given, str | Container)):
                raise TypeError(f"{name} is a str, or a set of them, not {shortened(given)}")
        if isinstance(self.space, str) and self.space not in get_args(Space):
            raise ValueError(f"space is 'memory' or 'port', not {shortened(self.space)}")

    @_tests.default
    def _make_tests(self) -> tuple[tuple[str, Callable[[object], bool]], ...]:
        names = ("region", "register", "offset", "address", "space", "width", "value", "ip", "thread")
        return tuple((name, _test(getattr(self, name))) for name in names if getattr(self, name) is not None)

    @classmethod
    def parse(
        cls,
        *,
        only: Iterable[str] = (),
        without: Iterable[str] = (),
        reads: bool = False,
        writes: bool = False,
        width: Iterable[str] = (),
        value: Iterable[str] = (),
        ip: Iterable[str] = (),
        thread: Iterable[str] = (),
        since: str | None = None,
        until: str | None = None,
    ) -> Self:
        """Read what a command line says; of several texts for one thing any may hold, and none stands for any.

        Raises:
            ValueError: a text is not of its form; the message says which is expected.
        """
        numbers = {"width": list(width), "value": list(value), "thread": list(thread)}
        code = list(ip)
        return cls(
            only=tuple(map(place_or_access, only)),
            without=tuple(map(place_or_access, without)),
            direction=None if reads == writes else READ if reads else WRITE,
            since=None if since is None else nanoseconds(since),
            until=None if until is None else nanoseconds(until),
            ip=Code.parse(code) if code else None,
            **{name: Numbers.parse(texts) if texts else None for name, texts in numbers.items()},
        )

    def check_names(self, known: "Callable[[], Known]") -> None:
        """Say so if the selection is of a name that nothing has; `known` returns what there is.

        Raises:
            ValueError: it is.
        """
        for name in ("region", "register"):
            value = getattr(self, name)
            if isinstance(value, str) and (problem := known().missing_part(name, value)):
                raise ValueError(problem)
        for place in self.only:
            name = place.place if isinstance(place, Expected) else place.names
            if isinstance(place, PlacePattern) and not set("*?").isdisjoint(name):
                problem = known().unlike(name if place.offsets is None else place.region, _like)
            else:
                problem = known().missing(name) if name else ""
            if isinstance(place, Expected):
                problem = problem or known().wrong_value(name, place.value)
            if problem:
                raise ValueError(problem)

    def located(self, locate: Locate) -> "Selection":
        """Return the selection with a way to find out which code an instruction pointer is in, unless it has one."""
        if not isinstance(self.ip, Code) or self.ip.locate is not None:
            return self
        return evolve(self, ip=evolve(self.ip, locate=locate))

    def matches(self, access: Access) -> bool:
        """Return whether an access is wanted. Raises ValueError if code is chosen by name and there is no `locate`."""
        return (
            (self.direction is None or access.direction & self.direction == self.direction)
            and (self.since is None or access.time >= self.since)
            and (self.until is None or access.time < self.until)
            and all(test(getattr(access, name)) for name, test in self._tests)
            and (not self.only or any(place.has(access) for place in self.only))
            and not any(place.has(access) for place in self.without)
        )


def place_or_access(text: str, known: "Callable[[], Known] | None" = None) -> PlacePattern | Expected:
    """Read a place such as "uart.STATUS", or an access such as "W uart.CTRL=1", see `mmio.traces.grammar`.

    Args:
        text: the words.
        known: returns the names that there are, for the hint of an error.

    Raises:
        ValueError: it is none.
        TypeError: it is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"a place is a str such as 'uart.STATUS', not {shortened(text)}")
    return parse_access(text, known) if _ACCESS.match(text) else PlacePattern.parse(text)


class Selected:
    """A sink that passes on the accesses a selection wants, and all events: without them the rest cannot be read."""

    def __init__(self, sink: "Sink", selection: Selection) -> None:
        self._sink = sink
        self._selection = selection

    def write(self, record: Record) -> None:
        """Hand a record on, if it is wanted."""
        if not isinstance(record, Access) or self._selection.matches(record):
            self._sink.write(record)


def span(text: str) -> range:
    """Return the numbers of "0x10", "0x10..0x20" (its end not included) or "0x10+0x8" (a length).

    Raises:
        ValueError: it is none of these, or there is no number in it.
    """
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a number such as 0x10, or a range 0x10..0x20 or 0x10+0x8, got {shortened(text)}")
    try:
        first, second = int(match[1], 0), int(match[3] or "0", 0)
    except ValueError:  # int() takes no "010", which was octal in Python 2 and is in C
        raise ValueError(f"expected a number such as 0x10, without zeros before it, got {shortened(text)}") from None
    end = first + 1 if match[3] is None else second + first * (match[2] == "+")
    if end <= first:
        raise ValueError(f"expected a range that ends after its beginning, got {shortened(text)}")
    return range(first, end)


def nanoseconds(text: str) -> int:
    """Return a time such as "12.000345" (seconds), "20ms", "5us" or "100ns" in ns. Raises ValueError."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a time such as 12.000345 (seconds), 20ms, 5us or 100ns, got {shortened(text)}")
    digits = (match[2] or "").ljust(9, "0")
    return (int(match[1]) * 10**9 + int(digits)) * _UNITS[match[3]] // 10**9


def _test(wanted: Any) -> Callable[[object], bool]:
    """Return the test for one attribute: membership in a container, equality with anything else."""
    if isinstance(wanted, Container) and not isinstance(wanted, str):
        return wanted.__contains__
    return lambda attribute: bool(attribute == wanted)


def _touches(first: int, width: int, numbers: range) -> bool:
    return first < numbers.stop and numbers.start < first + width


def _names(access: Access) -> set[str]:
    """Return the names of a place: its region, its register or registers, an array by its name without an index."""
    names = {access.register or ""}
    if access.register is not None:
        names |= set(access.register.split(".."))
        names |= {name.partition("+")[0] for name in names}
        names |= {re.sub(r"\[\d+\]", "", name) for name in names}
    return {str(access.region), *names, *(f"{access.region}.{name}" for name in names)}


def _like(name: str, pattern: str) -> bool:
    """Return whether a name fits a pattern, in which brackets are an index and no choice of letters."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))
