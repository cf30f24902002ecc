"""Strategies: schedules of faults for a device, values of its registers, times of interrupts."""

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from attrs import evolve

from mmio.strategies import needed  # noqa: F401  (before what it checks for)

from hypothesis import strategies as st  # isort: skip

from mmio.arguments import integer, shortened, text, texts
from mmio.device.block import Block
from mmio.device.layout import RegisterPlace
from mmio.device.line import LineDeclaration
from mmio.device.spaced import Spaced
from mmio.faults.errors import FaultError
from mmio.faults.fault import KINDS, Effect, Fault, Schedule, Setting, Span, Unit

DEFAULT: Final[tuple[Effect, ...]] = ("stuck", "late", "lost", "removed", "overrun", "spurious", "garbage")
"""The effects of schedules unless told: those that end no program."""

_MOST: Final = 20  # accesses before a fault begins


def fault_schedules(
    device: Any,
    *,
    effects: Collection[str] = DEFAULT,
    registers: Collection[str] | None = None,
    fields: Collection[str] | None = None,
    name: str | None = None,
    max_faults: int = 2,
    late: int = 2000,
    until: int | None = None,
) -> st.SearchStrategy[Schedule]:
    """Generate schedules of faults that a device can have. They shrink to fewer, simpler, and earlier ones.

    Args:
        device: a `Device`, or its class.
        effects: which to have.
        registers: the names of the registers to have faults; all when left out.
        fields: the names of the fields that may be stuck or late; all when left out.
        name: put before each place, as a board needs it.
        max_faults: how many at most in one schedule; none is a schedule, too.
        late: how many reads something may be late by. The default is more than most drivers poll for.
        until: the last time, in ns, at which a spurious interrupt comes; after accesses only when left out.

    Raises:
        FaultError: there is no such effect or register, or the class has no registers.
        TypeError, ValueError: an argument is not what it should be.
    """
    max_faults, late = integer("max_faults", max_faults, least=0), integer("late", late, least=1)
    until = None if until is None else integer("until", until, least=1)
    effects = texts("effects", effects)
    for effect in effects:
        if effect not in KINDS:
            raise FaultError(f"{shortened(effect)} is not an effect; there are {', '.join(KINDS)}")
    places, lines = _registers(device), _lines(device)
    whole = name or _core(device).__name__
    if registers is not None:
        registers = texts("registers", registers)
        unknown = set(registers) - {place.name for place in places}
        if unknown:
            raise FaultError(f"{whole} has no register {min(unknown)!r}; it has {', '.join(p.name for p in places)}")
        places = [place for place in places if place.name in registers]
    of_bits = places
    if fields is not None:
        fields = texts("fields", fields)
        unknown = set(fields) - {field.name for place in places for field in place.fields}
        if unknown:
            raise FaultError(f"{whole} has no field {min(unknown)!r}")
        of_bits = [evolve(place, fields=[field for field in place.fields if field.name in fields]) for place in places]
    before = "" if name is None else f"{name}."
    makers = [
        _MAKERS[effect](effect, whole, before, of_bits if _MAKERS[effect] is _of_bits else places, lines, late, until)
        for effect in effects
    ]
    one = [maker for maker in makers if maker is not None]
    if not one:
        raise FaultError(f"{whole} has nothing that could be {' or '.join(effects)}")
    return st.lists(st.one_of(one), max_size=max_faults).map(lambda faults: Schedule(tuple(faults)))


def register_values(device: Any, register: str) -> st.SearchStrategy[int]:
    """Generate values of a register: each field within its enumeration or its bits, all else as after reset.

    Args:
        device: a `Device`, or its class.
        register: the name of the register, as records have it.

    Raises:
        FaultError: there is no such register.
    """
    places = {place.name: place for place in _registers(device)}
    if text("register", register) not in places:
        raise FaultError(f"{_core(device).__name__} has no register {shortened(register)}; it has {', '.join(places)}")
    place = places[register]
    fields = [field for field in place.fields if field.access != "na"]
    if not place.fields:
        return st.integers(0, (1 << 8 * place.width) - 1)
    known = sum(field.mask for field in fields)
    reset = _reset_value(_core(device), register)
    values = [
        (st.sampled_from(sorted(field.enum)) if field.enum else st.integers(0, (1 << field.width) - 1))
        for field in fields
    ]

    def put_together(numbers: tuple[int, ...]) -> int:
        together = (number << field.lsb for number, field in zip(numbers, fields, strict=True))
        return reset & ~known | sum(together)

    return st.tuples(*values).map(put_together)


def interrupt_timings(until: int, *, max_size: int = 5, least_apart: int = 0) -> st.SearchStrategy[list[int]]:
    """Generate times, in order, at which interrupts come: for `clock.after`, or `spurious at`.

    Args:
        until: the last possible time, in ns.
        max_size: how many at most.
        least_apart: the shortest time between two, in ns.

    Raises:
        TypeError, ValueError: an argument is not what it should be.
    """
    until, apart = integer("until", until, least=0), integer("least_apart", least_apart, least=0)
    most = integer("max_size", max_size, least=0)

    def spread(times: Iterable[int]) -> list[int]:
        moved: list[int] = []
        for time in sorted(times):
            moved.append(max(time, moved[-1] + apart) if moved else time)
        return [time for time in moved if time <= until]

    return st.lists(st.integers(0, until), max_size=most).map(spread)


Maker = Callable[[Any, str, str, list[RegisterPlace], list[str], int, int | None], "st.SearchStrategy[Fault] | None"]


def _of_bits(
    effect: Any, whole: str, before: str, places: list[RegisterPlace], lines: list[str], late: int, until: int | None
) -> Any:
    """Faults of fields that are read."""
    fields = [(place.name, field) for place in places if place.readable for field in place.fields]
    narrow = [(name, field) for name, field in fields if field.width <= 4 and "r" in (field.access or "r")]
    if not narrow:
        return None

    def of_field(chosen: Any) -> Any:
        name, field = chosen
        values = st.integers(0, (1 << field.width) - 1).map(lambda value: (Setting(field.name, value),))
        place = st.just(before + name)
        if effect == "late":
            ready = st.just((Setting(field.name, (1 << field.width) - 1),))
            by = st.integers(1, late).map(lambda count: Span(count, "read"))
            return st.builds(Fault, place=place, effect=st.just(effect), settings=ready, by=by)
        return st.builds(Fault, place=place, effect=st.just(effect), settings=values, after=_after("read"))

    return st.sampled_from(narrow).flatmap(of_field)


def _of_whole(
    effect: Any, whole: str, before: str, places: list[RegisterPlace], lines: list[str], late: int, until: int | None
) -> Any:
    if effect == "garbage":
        if not any(place.writable for place in places):
            return None
        return st.builds(Fault, place=st.just(whole), effect=st.just(effect), seed=st.integers(0, 255))
    return st.builds(Fault, place=st.just(whole), effect=st.just(effect), after=_after("access"))


def _of_register(
    effect: Any, whole: str, before: str, places: list[RegisterPlace], lines: list[str], late: int, until: int | None
) -> Any:
    unit: Unit = "write" if effect == "lost" else "read" if effect == "overrun" else "access"
    fitting = {
        "lost": [place.name for place in places if place.writable],
        "overrun": [place.name for place in places if place.readable and not place.fields],
    }.get(effect, [place.name for place in places])
    lost = [
        st.builds(
            Fault,
            place=st.sampled_from([before + line for line in lines]),
            effect=st.just(effect),
            at=st.integers(1, _MOST).map(lambda count: Span(count, "interrupt")),
        )
    ] * (effect == "lost" and bool(lines))
    if not fitting and not lost:
        return None
    at = st.integers(1, _MOST).map(lambda count: Span(count, unit))
    names = [before + name for name in fitting]
    of_registers = [st.builds(Fault, place=st.sampled_from(names), effect=st.just(effect), at=at)] * bool(names)
    return st.one_of([*of_registers, *lost])


def _of_line(
    effect: Any, whole: str, before: str, places: list[RegisterPlace], lines: list[str], late: int, until: int | None
) -> Any:
    if not lines:
        return None
    at = st.integers(1, _MOST).map(lambda count: Span(count, "access"))
    if until is not None:
        at = at | st.integers(1, until).map(lambda time: Span(time, "ns"))
    return st.builds(Fault, place=st.sampled_from([before + line for line in lines]), effect=st.just(effect), at=at)


_MAKERS: Final[dict[str, Maker]] = {
    "stuck": _of_bits,
    "late": _of_bits,
    "removed": _of_whole,
    "garbage": _of_whole,
    "lost": _of_register,
    "overrun": _of_register,
    "bus-error": _of_register,
    "sigbus": _of_register,
    "spurious": _of_line,
}


def _after(unit: Unit) -> st.SearchStrategy[Span | None]:
    return st.none() | st.integers(1, _MOST).map(lambda count: Span(count, unit))


def _core(device: Any) -> Any:
    """Return the class that declares the registers."""
    if isinstance(device, Spaced):
        device = device.device
    return device if isinstance(device, type) else type(device)


def _registers(device: Any) -> list[RegisterPlace]:
    places = list(getattr(getattr(_core(device), "layout", None), "places", ()))
    if not places:
        raise FaultError(f"{_core(device).__name__} declares no registers; expected a Device with some, or its class")
    return places


def _lines(device: Any) -> list[str]:
    members = getattr(_core(device), "_device_members", {})
    return [name for name, member in members.items() if isinstance(member, LineDeclaration)]


def _reset_value(core: Any, register: str) -> int:
    """Return what a register holds after reset, by its declaration in a class or in one of its blocks."""
    for member in getattr(core, "_device_members", {}).values():
        if isinstance(member, Block) and register.startswith(f"{member.name}."):
            return _reset_value(member.device, register.removeprefix(f"{member.name}."))
        if any(name == register for name, _ in getattr(member, "elements", ())):
            return int(member.reset_value)
    return 0
