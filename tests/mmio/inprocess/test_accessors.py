"""Direct calls of accessors: a driver's device with a clock and faults, beside the same one the general way."""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmio import Clock, Device, Mapping, bit, faults, ioremap, line, register
from mmio.device.accessor import accessor
from mmio.device.timed import Timed, timed
from mmio.errors import AccessError, NoRegister
from mmio.faults import FaultWarning
from mmio.inprocess.mapping import _trap
from tests.native import compile_c

pytestmark = [pytest.mark.cpu("XSAVEC"), pytest.mark.usefixtures("at_once")]

# Each access is an instruction of six bytes or more, which a jump fits into wherever memory is free.
DRIVER = r"""
#include <stdint.h>
#define AT(p, offset) (*(volatile uint32_t *)((uintptr_t)(p) + 0x10000 + offset))
#define ACCESSORS(name, offset) \
    uint32_t read_##name(uintptr_t p) { return AT(p, offset); } \
    void write_##name(uintptr_t p, uint32_t v) { AT(p, offset) = v; }
ACCESSORS(ctrl, 0) ACCESSORS(stat, 4) ACCESSORS(count, 8) ACCESSORS(flags, 12)
uint32_t read_any(uintptr_t p) { return AT(p, 0); }
uint32_t read_other(uintptr_t p) { return AT(p, 0); }
"""
IDLE = pytest.mark.filterwarnings(f"ignore::{FaultWarning.__module__}.{FaultWarning.__name__}")
REGISTERS: Final = ("ctrl", "stat", "count", "flags")


class Card(Device):
    """Registers without handlers, with them, and with effects; timers; all that its handlers see is noted."""

    ctrl = register(0x00, fields=[bit("EN", 0), bit("GO", 1), bit("HOLE", 2)])
    stat = register(0x04, fields=[bit("RDY", 0), bit("ERR", 1)], reset=1)
    count = register(0x08)
    flags = register(0x0C, fields=[bit("A", 0), bit("B", 1)], on_write="woclr", reset=3)
    irq = line()

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def note(self, what: str) -> None:
        self.seen.append((what, self.clock.now))

    @ctrl.written
    def _start(self, old: int, new: int) -> None:
        self.note(f"ctrl {old:#x} {new:#x}")
        if self.ctrl.GO:
            self.clock.after(250, self._done)

    @count.reads
    def _time(self) -> int:
        self.note("count")
        if self.ctrl.HOLE:
            return self.read(0x80, 4)
        return self.clock.now & 0xFFFF

    def _done(self) -> None:
        self.note("done")
        self.read(4, 4)
        self.stat.RDY, self.flags.A = 1 - self.stat.RDY, 1
        self.irq.set(not self.irq.level)


class Plainly(Timed):
    """What `Timed` does, as its docstring says it."""

    def __init__(self, device: Any, clock: Clock) -> None:
        super().__init__(device, clock)

        def read(offset: int, width: int) -> int:
            clock.access()
            value: int = self._done(lambda: device.read(offset, width))
            return value

        def write(offset: int, width: int, value: int) -> None:
            clock.access()
            self._done(lambda: device.write(offset, width, value))

        self.read, self.write = read, write

    def _done(self, access: Callable[[], Any]) -> Any:
        try:
            return access()
        except NoRegister as hole:
            self._take_over(hole)
            raise


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = compile_c(DRIVER, tmp_path_factory.mktemp("driver"))
    for name in REGISTERS:
        getattr(library, f"read_{name}").restype = ctypes.c_uint32
        getattr(library, f"read_{name}").argtypes = [ctypes.c_size_t]
        getattr(library, f"write_{name}").argtypes = [ctypes.c_size_t, ctypes.c_uint32]
    for function in library.read_any, library.read_other:
        function.restype, function.argtypes = ctypes.c_uint32, [ctypes.c_size_t]
    return library


@pytest.fixture
def mappings() -> Iterator[tuple[Mapping, Mapping]]:
    """One for direct calls, and one that nothing is patched for."""
    given = {"length": 0x1000, "unmapped": "ones", "name": "Card"}
    with ioremap(Card(), **given) as direct, ioremap(Card(), patching=False, **given) as general:  # type: ignore[arg-type]
        yield direct, general


class Played:
    """A card behind a mapping, and all that can be seen of it.

    Args:
        mapping: the mapping.
        lines: the faults.
        policy: of the clock.
        wrapped: the clock is in front of the faults, not behind them.
        plainly: the general way is taken by each access.
    """

    def __init__(self, mapping: Mapping, lines: list[str], policy: str, wrapped: bool, plainly: bool) -> None:
        self.mapping, self.card, self.clock = mapping, Card(), Clock(policy=policy)
        self.pulses: list[tuple[bool, int]] = []
        self.card.clock = self.clock
        self.card.irq.subscribe(lambda level: self.pulses.append((level, self.clock.now)))
        self.clock.every(730, lambda: self.card.note("every"))
        self.count = len(faults.parse(*lines))
        if plainly:  # there is no short way where another fault has to be asked
            lines = [*lines, *(f"{name.upper()} removed at write 1000" for name in REGISTERS)]
        slow = Plainly if plainly and policy.startswith("access") else timed
        space, region = mapping.space, mapping.region
        self.ending = ExitStack()
        if wrapped:
            self.faulty = self.ending.enter_context(faults.wrap(self.card, lines, clock=self.clock))
            space.exchange(region, slow(self.faulty, self.clock), self.card)
        else:
            space.exchange(region, slow(self.card, self.clock), self.card)
            given = faults.inject(mapping, lines, clock=self.clock, warn=False)
            (self.faulty,) = self.ending.enter_context(given)
        self.records = len(mapping.trace)

    def play(self, driver: ctypes.CDLL, what: str, times: int, *how: Any) -> list[object]:
        """Do something so many times; return what has come of it."""
        return [self.play_once(driver, what, *how) for _ in range(times)]

    def play_once(self, driver: ctypes.CDLL, what: str, *how: Any) -> object:
        try:
            if what in ("read", "write"):
                return getattr(driver, f"{what}_{how[0]}")(self.mapping.address - 0x10000, *how[1:])
            if what == "any":
                return driver.read_any(self.mapping.address - 0x10000 + how[0])
            if what == "wait":
                self.clock.run_for(*how)
            elif what == "restore":
                self.faulty.restore(self.faulty.snapshot())
            else:
                self.faulty.close(warn=False)
        except AccessError as error:
            return type(error).__name__
        return None

    def seen(self) -> tuple[object, ...]:
        """Return what can be seen."""
        state = self.faulty.snapshot()
        times = self.clock.now, self.clock.next_due
        return self.card.seen, self.pulses, times, state["device"], state["faults"][: self.count]

    def recorded(self) -> list[tuple[object, ...]]:
        """Return what the records say."""
        return [
            (each.direction, each.offset, each.width, each.value, each.register, each.flags)
            for each in self.mapping.trace[self.records :]
        ]


EFFECTS = (
    *(
        "STAT stuck RDY=0 ERR=1",
        "STAT stuck ERR=1",
        "STAT late RDY=1 by 3 reads",
        "STAT late RDY=1 by 450ns",
        "STAT removed",
        "STAT lost",
    ),
    *("STAT bus-error", "STAT overrun", "COUNT stuck 0x0/0xff0", "COUNT bus-error", "COUNT late 0x0/0xf00 by 2 reads"),
    *("FLAGS stuck A=0", "FLAGS lost", "CTRL lost", "CTRL late EN=1 by 2 reads", "Card removed", "irq spurious"),
    "Card bus-error",
)
CLAUSES = (
    *(
        "",
        "",
        "",
        " after 2 reads",
        " at read 3",
        " after 2 writes",
        " at write 2",
        " after 4 accesses",
        " at access 3",
    ),
    *(" for 2 reads", " for 900ns", " from 1us", " when CTRL.EN=1", " with probability 0.5 seed 3"),
    *(" after 1 read when CTRL.EN=1", " after 2 accesses for 2 accesses", " at read 2 with probability 0.5"),
)
TIMES = st.sampled_from([1, 3, 6])
VALUES = st.sampled_from([0, 1, 2, 3, 5, 0xFFFFFFFF])
EVENTS = st.one_of(  # most of them of one register, since the first access after a change is not direct
    st.tuples(st.just("read"), TIMES, st.just("stat")),
    st.tuples(st.just("write"), TIMES, st.just("stat"), VALUES),
    st.tuples(st.just("read"), TIMES, st.sampled_from(REGISTERS)),
    st.tuples(st.just("write"), TIMES, st.sampled_from(REGISTERS), VALUES),
    st.tuples(st.just("read"), TIMES, st.just("stat")),
    st.tuples(st.sampled_from(["restore", "restore", "close"]), st.just(1)),
    st.tuples(st.just("wait"), st.just(1), st.sampled_from([10, 1000])),
    st.tuples(st.just("any"), TIMES, st.sampled_from([4, 8])),
)


def is_possible(fault: str) -> bool:
    try:
        faults.wrap(Card(), fault, clock=Clock()).close(warn=False)
    except faults.FaultError:
        return False
    return True


POSSIBLE = {effect + clause for effect in EFFECTS for clause in CLAUSES if is_possible(effect + clause)}
LINES = st.builds(str.__add__, st.sampled_from(EFFECTS), st.sampled_from(CLAUSES)).filter(POSSIBLE.__contains__)


SCRIPT: Final[tuple[tuple[Any, ...], ...]] = (
    ("write", 1, "ctrl", 3),
    *(("read", 6, "stat"), ("write", 3, "stat", 1), ("read", 6, "stat"), ("restore", 1), ("read", 3, "count")),
    *(("write", 3, "flags", 1), ("read", 3, "flags"), ("write", 3, "ctrl", 5), ("read", 3, "count")),
    *(("any", 3, 4), ("any", 3, 8), ("wait", 1, 1000), ("read", 6, "stat"), ("close", 1)),
    *(("read", 6, "stat"), ("write", 3, "stat", 0), ("read", 3, "stat")),
)


def compare(
    driver: ctypes.CDLL,
    mappings: tuple[Mapping, Mapping],
    lines: list[str],
    policy: str,
    wrapped: bool,
    events: Sequence[tuple[Any, ...]],
) -> None:
    """Play the same directly and the general way; all that can be seen is equal after each event."""
    direct, general = (
        Played(mapping, lines, policy, wrapped, plainly)
        for mapping, plainly in zip(mappings, (False, True), strict=True)
    )
    for met in _trap().patching.met.values():
        met.calls_until = 0  # the second access is a direct call
    try:
        for event in events:
            assert direct.play(driver, *event) == general.play(driver, *event), (lines, event)
            assert direct.seen() == general.seen(), (lines, event)
        assert direct.recorded() == general.recorded()
    finally:
        direct.ending.close()
        general.ending.close()


@IDLE
@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "injected"])
@pytest.mark.parametrize("effect", EFFECTS)
def test_each_fault_with_each_clause(
    driver: ctypes.CDLL, mappings: tuple[Mapping, Mapping], effect: str, wrapped: bool
) -> None:
    """While it waits, when it happens, and after the faults have been closed."""
    for clauses in dict.fromkeys(CLAUSES):
        if effect + clauses in POSSIBLE:
            compare(driver, mappings, [effect + clauses], "access:100ns", wrapped, SCRIPT)


@IDLE
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(LINES, min_size=1, max_size=2).map(lambda two: two[: 1 + (two[-1] < two[0])]),
    policy=st.sampled_from([*["access:100ns"] * 4, "still", "poll:100ns"]),
    wrapped=st.booleans(),
    events=st.lists(EVENTS, min_size=6, max_size=24),
)
def test_accessors_do_what_the_general_way_does(
    driver: ctypes.CDLL,
    mappings: tuple[Mapping, Mapping],
    lines: list[str],
    policy: str,
    wrapped: bool,
    events: list[tuple[Any, ...]],
) -> None:
    """Whatever the faults and the clock: times, values, errors, timers, records and counts are the general way's."""
    compare(driver, mappings, lines, policy, wrapped, events)


def test_an_accessor_is_for_one_register(driver: ctypes.CDLL, mappings: tuple[Mapping, Mapping]) -> None:
    """An instruction that has accessed a second one calls the device's method from then on."""
    mapping, methods = mappings[0], []

    def read(offset: int) -> None:
        driver.read_other(mapping.address - 0x10000 + offset)
        blocks = _trap()._direct._blocks.values()
        methods.append([block.method == block.segment.read for each in blocks for block in each])

    for offset in (4, 4, 4, 4, 8, *[8] * 20, 4, 8):
        read(offset)
        for met in _trap().patching.met.values():
            met.calls_until = 0
    assert methods[2] == [False]
    assert methods[-1] == [True]


def test_a_device_that_is_read_otherwise_has_no_accessor() -> None:
    """Its class or itself has another method; and what is not one register has none either."""

    class Otherwise(Card):
        def read(self, offset: int, width: int) -> int:
            return super().read(offset, width) ^ 1

    def found(device: Device, offset: int = 4, width: int = 4, written: bool = False) -> bool:
        method = device.write if written else device.read
        return accessor(device, offset, width, method, written, lambda: None) is not None

    watched = Card()
    watched.write = lambda offset, width, value: None  # type: ignore[method-assign]
    assert found(Card())
    assert not found(Otherwise())
    assert found(Otherwise(), written=True)
    assert found(watched)
    assert not found(watched, written=True)
    assert not found(Card(), 4, 2)
    assert not found(Card(), 0x80)
