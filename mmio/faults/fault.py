"""A fault as a value: its effect, its place and its accesses. Its `str` is the line that `grammar` parses.

A schedule is such values and nothing else. What is counted and drawn while it is in use is kept elsewhere
(`armed.py`), so that the same schedule does the same again.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args

from attrs import field, frozen

from mmio.arguments import instance, integer, one_of, shortened, text
from mmio.faults.errors import FaultError

Effect: TypeAlias = Literal["stuck", "late", "removed", "lost", "overrun", "bus-error", "sigbus", "garbage", "spurious"]
Unit: TypeAlias = Literal["read", "write", "access", "interrupt", "ns"]

T = TypeVar("T")

TIMES: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""The units of time, the longest first, in ns."""

_WORD: Final = re.compile(r"[^\s#]+")

MOST: Final = (1 << 63) - 1
"""The highest count, time or seed."""


@frozen
class Span:
    """So many accesses or interrupts, or a time in ns.

    Attributes:
        count: how many.
        unit: of what: "read", "write", "access", "interrupt" or "ns".

    Raises:
        TypeError: the count is no int.
        ValueError: there is no such unit, or the count is more than 63 bits hold.
    """

    count: int
    unit: Unit

    def __attrs_post_init__(self) -> None:
        integer("count", self.count, most=MOST)
        one_of("unit", self.unit, get_args(Unit))

    def __str__(self) -> str:
        if self.unit == "ns":
            unit = next(name for name, length in TIMES.items() if self.count % length == 0) if self.count else "ns"
            return f"{self.count // TIMES[unit]}{unit}"
        return f"{self.count} {self.unit}{'' if self.count == 1 else 'es' if self.unit == 'access' else 's'}"


@frozen
class Setting:
    """Bits and their value: `TXE=0`, `bit7=1`, `MODE=FAST`, or of the whole register `0x80` and `0x80/0xf0`.

    Attributes:
        name: of a field, or bitN; empty for the whole register.
        value: a number, or the name that an enumeration has for it.
        mask: which bits of the whole register are meant; None for all.

    Raises:
        TypeError: one of them is of a wrong kind.
        ValueError: a number is negative.
    """

    name: str
    value: int | str
    mask: int | None = None

    def __attrs_post_init__(self) -> None:
        text("name", self.name)
        if not self.name or not isinstance(self.value, str):
            integer("value", self.value, least=0)
        if self.mask is not None:
            integer("mask", self.mask, least=0)

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, str) or (self.name and self.value < 10) else f"{self.value:#x}"
        if not self.name:
            return f"{value}" if self.mask is None else f"{value}/{self.mask:#x}"
        return f"{self.name}={value}"


@frozen
class Condition:
    """A value that a register must hold: `CTRL.UP=1`, `CTRL=0x1`, `CTRL=0x1/0xff`.

    Attributes:
        register: its name.
        setting: bits of it, and their value.

    Raises:
        TypeError: one of them is of a wrong kind.
    """

    register: str
    setting: Setting

    def __attrs_post_init__(self) -> None:
        text("register", self.register)
        instance("setting", self.setting, Setting, "a Setting")

    def __str__(self) -> str:
        return f"{self.register}{'.' if self.setting.name else '='}{self.setting}"


@frozen
class Kind:
    """The rules for one effect.

    Attributes:
        does: in words.
        example: a line.
        units: what it happens at; the first is meant where a line names none.
        settings: how many it takes: "none", "some" or "one" (a condition that may be left out).
        counts: what `after` may count.
    """

    does: str
    example: str
    units: tuple[Unit, ...]
    settings: Literal["none", "some", "one"] = "none"
    counts: tuple[Unit, ...] = ("read", "write", "access")


KINDS: Final[dict[Effect, Kind]] = {
    "stuck": Kind(
        "reads show these bits with these values, whatever the device has",
        "SR stuck TXE=0 after 3 reads",
        ("read",),
        "some",
    ),
    "late": Kind(
        "these bits get these values late: after each write to the device, and at the start, the given number of reads "
        "(or the given time) still shows them inverted",
        "SR late TXE=1 by 20us",
        ("read",),
        "some",
    ),
    "removed": Kind(
        "from then on reads show all ones, writes are lost, and no interrupts come: the device is gone",
        "Card removed after 10 accesses",
        ("access", "read", "write"),
    ),
    "lost": Kind(
        "for a register: a write is lost; for a line: it stays low until the device asserts it the next time",
        "CR1 lost at write 2",
        ("write", "interrupt"),
        counts=("read", "write", "access", "interrupt"),
    ),
    "overrun": Kind(
        "for the register of a FIFO: the next entry is lost, and the read gets the one after it. A condition is shown "
        "by the next read of its register",
        "RBR overrun LSR.OE=1 at read 2",
        ("read",),
        "one",
    ),
    "bus-error": Kind(
        "the access raises BusError in Python, like an access that a policy refuses raises PolicyError",
        "STATUS bus-error at access 4",
        ("access", "read", "write"),
    ),
    "sigbus": Kind(
        "the program gets SIGBUS (BUS_ADRERR), as on machines whose bus reports errors",
        "STATUS sigbus after 3 reads",
        ("access", "read", "write"),
    ),
    "garbage": Kind(
        "everything that software may write holds random values, within fields and their enumerations, from the start "
        "and after each reset of the device",
        "Card garbage seed 7",
        (),
        counts=(),
    ),
    "spurious": Kind(
        "an interrupt without a cause: a pulse on the line, after an access to the device or at a given time",
        "irq spurious at write 3",
        ("access", "read", "write"),
    ),
}
"""What there is, in the order of the page."""


def _several(what: str, given: Iterable[T], kind: type[T]) -> tuple[T, ...]:
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    return tuple(instance(f"each of the {what}", each, kind, f"a {kind.__name__}") for each in found)


def _settings(given: Iterable[Setting]) -> tuple[Setting, ...]:
    return _several("settings", given, Setting)


@frozen(kw_only=True)
class Fault:
    """One fault.

    Attributes:
        place: a register, a line, `+OFFSET` or `+OFFSET/WIDTH`, or a device; the device's name may come first.
        effect: what happens.
        settings: the bits it is about, and their values.
        flag: of an overrun, what shows it.
        by: of what is late, by how much.
        after: how many accesses are as they should be before.
        at: the one access it happens at; of a spurious interrupt perhaps a time.
        start: the time it begins at, in ns.
        when: what a register must hold.
        probability: of each access that all else holds for.
        seed: of what is random.
        limit: how often it happens, or how long.

    Raises:
        FaultError: the parts do not go together.
        TypeError: one of them is of a wrong kind.
        ValueError: a time or a seed does not fit in 63 bits, or the seed is negative.
    """

    place: str
    effect: Effect
    settings: tuple[Setting, ...] = field(default=(), converter=_settings)
    flag: Condition | None = None
    by: Span | None = None
    after: Span | None = None
    at: Span | None = None
    start: int | None = None
    when: Condition | None = None
    probability: float | None = None
    seed: int | None = None
    limit: Span | None = None

    def __attrs_post_init__(self) -> None:
        self._check_kinds()
        problem = self._problem()
        if problem:
            raise FaultError(f"fault {str(self)!r}: {problem}")

    def _check_kinds(self) -> None:
        if not _WORD.fullmatch(text("place", self.place)):
            raise FaultError(f"a fault's place is one word, such as 'SR' or '+0x10', not {shortened(self.place)}")
        if text("effect", self.effect) not in KINDS:
            effect = shortened(self.effect)
            raise FaultError(
                f"fault of {shortened(self.place)}: {effect} is not an effect; there are {', '.join(KINDS)}"
            )
        for name, part in (("by", self.by), ("after", self.after), ("at", self.at), ("limit", self.limit)):
            if part is not None:
                instance(name, part, Span, "a Span")
        for name, condition in (("flag", self.flag), ("when", self.when)):
            if condition is not None:
                instance(name, condition, Condition, "a Condition")
        for name, number, least in (("start", self.start, None), ("seed", self.seed, 0)):
            if number is not None:
                integer(name, number, least, MOST)
        if self.probability is not None:
            instance("probability", self.probability, (int, float), "a number")

    def _problem(self) -> str | None:
        kind = KINDS[self.effect]
        if (kind.settings == "some") != bool(self.settings):
            return f"{self.effect} takes {'bits, as in TXE=0' if kind.settings == 'some' else 'no bits'}"
        if self.flag is not None and kind.settings != "one":
            return f"{self.effect} takes no condition but after `when`"
        if (self.by is not None) != (self.effect == "late"):
            return "late takes `by`, as in late TXE=1 by 3 reads, and nothing else does"
        for span in (self.by, self.after, self.at, self.limit):
            if span is not None:
                least = 0 if span is self.after else 1
                if integer("a count", span.count) < least:
                    return f"a count is from {least} up, not {span.count}"
        if self.by is not None and self.by.unit not in ("read", "ns"):
            return f"by is so many reads or a time, not {self.by}"
        if self.after is not None and self.after.unit not in kind.counts:
            return _not_counted(self.effect, "after", self.after, kind.counts)
        if self.at is not None and self.at.unit not in (*kind.units, *(("ns",) * (self.effect == "spurious"))):
            return _not_counted(self.effect, "at", self.at, kind.units)
        if self.limit is not None and self.limit.unit not in (*kind.units, *(("ns",) * bool(kind.units))):
            return _not_counted(self.effect, "for", self.limit, kind.units)
        if self.at is not None and (self.after is not None or self.limit is not None):
            return "at is one access, so there is nothing to add with `after` or `for`"
        if self.start is not None and (not kind.units or self.start < 0):
            return "garbage has no beginning" if not kind.units else f"times are from 0, not {self.start} ns"
        if self.at is not None and self.at.unit == "ns" and (self.start is not None or self.probability is not None):
            return "at a time takes no `from` and no `with probability`"
        if self.probability is not None and not 0 < self.probability < 1:
            return f"a probability is more than 0 and less than 1, not {shortened(self.probability)}"
        if not kind.units and (self.when is not None or self.probability is not None):
            return "garbage is there from the start and after each reset, and takes a seed only"
        if self.seed is not None and self.probability is None and self.effect != "garbage":
            return "only what is random (`with probability`, garbage) takes a seed"
        return None

    def __str__(self) -> str:
        words: list[object] = [self.place, self.effect, *self.settings]
        for word, part in (("", self.flag), ("by", self.by), ("after", self.after), ("when", self.when)):
            if part is not None:
                words += [word, part] if word else [part]
        if self.at is not None:
            words += ["at", self.at if self.at.unit == "ns" else f"{self.at.unit} {self.at.count}"]
        if self.start is not None:
            words += ["from", Span(self.start, "ns") if self.start >= 0 else f"{self.start}ns"]
        if self.probability is not None:
            words += ["with probability", shortened(self.probability)]
        if self.seed is not None:
            words += ["seed", self.seed]
        if self.limit is not None:
            words += ["for", self.limit]
        return " ".join(map(str, words))


def _not_counted(effect: str, word: str, span: Span, units: tuple[Unit, ...]) -> str:
    if not units:
        return f"{effect} takes no `{word}`"
    return f"`{word}` counts {', '.join(units)} here, not {span}"


def _faults(given: Iterable[Fault]) -> tuple[Fault, ...]:
    return _several("faults", given, Fault)


@frozen(repr=False)
class Schedule:
    """Faults, in order. Its `str` is a line for each, and `parse` of that is equal to it.

    Attributes:
        faults: all of them.

    Raises:
        TypeError: one of them is no `Fault`.
    """

    faults: tuple[Fault, ...] = field(default=(), converter=_faults)

    def __iter__(self) -> Iterator[Fault]:
        """Iterate over the faults."""
        return iter(self.faults)

    def __len__(self) -> int:
        return len(self.faults)

    def __add__(self, other: "Schedule") -> "Schedule":
        if not isinstance(other, Schedule):
            return NotImplemented
        return Schedule(self.faults + other.faults)

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))

    def __repr__(self) -> str:
        return f"mmio.faults.parse({', '.join(repr(str(fault)) for fault in self.faults)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print as the repr; hypothesis would print how it has come to generate the schedule."""
        printer.text(repr(self))
