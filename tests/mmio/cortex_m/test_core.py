"""The core as a board uses it."""

import json
from itertools import pairwise
from typing import Any, Final

import pytest

from mmio.cortex_m import Core
from mmio.cortex_m.core import CORTEX_M0_PLUS, CORTEX_M4, ResetRequested, SleepForever
from mmio.cortex_m.priorities import HARD_FAULT, SYSTICK, USAGE_FAULT
from mmio.device.clock import Clock, ms
from mmio.device.device import Device

PLACES: Final = {
    "ITM": 0xE000_0000,
    "DWT": 0xE000_1000,
    "SCnSCB": 0xE000_E000,
    "SysTick": 0xE000_E010,
    "NVIC": 0xE000_E100,
    "SCB": 0xE000_ED00,
    "MPU": 0xE000_ED90,
    "CoreDebug": 0xE000_EDF0,
    "STIR": 0xE000_EF00,
    "FPU": 0xE000_EF30,
    "Intrinsics": 0xE00F_E000,
}
SMALL: Final = {"SCnSCB", "SysTick", "NVIC", "SCB", "CoreDebug", "Intrinsics"}


class Space:
    """Addresses to devices."""

    def __init__(self, core: Core) -> None:
        self.blocks = core.blocks()

    def _at(self, address: int) -> tuple[Device, int]:
        block = next(block for block in self.blocks if block.base <= address < block.base + block.length)
        return block.device, address - block.base

    def __getitem__(self, address: int) -> int:
        device, offset = self._at(address)
        return device.read(offset, 4)

    def __setitem__(self, address: int, value: int) -> None:
        device, offset = self._at(address)
        device.write(offset, 4, value)


def test_blocks_are_where_the_manual_has_them() -> None:
    """Each by its CMSIS name; no two overlap; an FPU and ARMv7-M's extras only where they are."""
    places = {name: base for name, base, _ in Core().blocks()}
    assert places == PLACES
    assert {name for name, _, _ in Core(fpu=False).blocks()} == PLACES.keys() - {"FPU"}
    assert {name: base for name, base, _ in Core("v6-M").blocks()} == {name: PLACES[name] for name in SMALL}
    blocks = sorted(Core().blocks(), key=lambda block: block.base)
    for block, following in pairwise(blocks):
        assert block.base + block.length <= following.base


def test_all_devices_have_the_clock_of_the_core() -> None:
    """The one that is given, or one of its own."""
    clock = Clock()
    core = Core(clock=clock)
    assert core.clock is clock
    assert all(device.clock is clock for _, _, device in core.blocks())
    assert Core().clock is not Core().clock


def test_a_system_tick_by_its_addresses() -> None:
    """SysTick_Config(16000) at 16 MHz, with its priority in SHPR3, as CMSIS does it."""
    core = Core()
    space = Space(core)
    space[0xE000_E014] = 16_000 - 1
    space[0xE000_ED20] = 0xF0 << 24
    space[0xE000_E018] = 0
    space[0xE000_E010] = 7
    told: list[int] = []
    core.changed = lambda: told.append(core.clock.now)
    assert core.due() is None
    core.clock.run_for(ms(1))
    assert told == [ms(1)]
    assert core.priority(SYSTICK) == 0xF0
    assert core.take() == SYSTICK
    assert space[0xE000_ED04] & 0x1FF == SYSTICK
    core.leave(SYSTICK)


def test_the_core_clock_can_change() -> None:
    """SysTick and the cycle counter continue at the new frequency; the reference clock is another."""
    core = Core(frequency=8_000_000, reference=1_000_000)
    space = Space(core)
    space[0xE000_EDFC] = 1 << 24
    space[0xE000_1000] = 1
    core.clock.run_for(1000)
    core.frequency = 168_000_000
    core.clock.run_for(1000)
    assert (space[0xE000_1004], core.frequency, core.reference) == (8 + 168, 168_000_000, 1_000_000)
    space[0xE000_E014] = 99
    space[0xE000_E010] = 1
    core.reference = 10_000_000
    core.clock.run_for(1000)
    assert space[0xE000_E018] == 90
    plain = Core()
    assert plain.reference is None
    with pytest.raises(ValueError, match=r"^this core has no external reference clock"):
        plain.reference = 5


def test_a_reset_that_nobody_makes_is_an_error() -> None:
    """CMSIS waits for the reset in an endless loop, so the request must come out; or be carried out."""
    core = Core()
    space = Space(core)
    with pytest.raises(ResetRequested, match=r"by AIRCR\.SYSRESETREQ; set on_reset"):
        space[0xE000_ED0C] = 0x05FA_0004
    resets: list[int] = []
    core.on_reset = lambda: resets.append(1)
    space[0xE000_ED0C] = 0x05FA_0004
    assert resets == [1]


def test_reset() -> None:
    """State and registers are as at first; lines keep their levels, and are pending; time continues."""
    core = Core()
    first = core.snapshot()
    space = Space(core)
    space[0xE000_E100] = 0xFFFF_FFFF
    space[0xE000_E400] = 0x4040_4040
    space[0xE000_E014] = 99
    space[0xE000_E010] = 7
    space[0xE000_ED0C] = 0x05FA_0300
    core.pend(15)
    core.take()
    core.primask = 1
    core.clock.run_for(ms(1))
    core.reset()
    assert core.snapshot() == first
    assert (core.clock.now, core.clock.next_due) == (ms(1), None)
    core.set_line(4, True)
    core.reset()
    assert core.pending == 1 << 20
    assert core.due() is None


def test_the_state_survives_json() -> None:
    """A core that takes a snapshot continues as the one that it is of."""
    core = Core()
    space = Space(core)
    space[0xE000_E014] = 999
    space[0xE000_E010] = 7
    space[0xE000_EDFC] = 1 << 24
    space[0xE000_1000] = 1
    space[0xE000_E100] = 1 << 3
    space[0xE000_ED0C] = 0x05FA_0500
    core.set_line(3, True)
    core.take()
    core.clock.run_for(1000)
    state = json.loads(json.dumps(core.snapshot()))
    other = Core()
    other.restore(state)
    assert other.snapshot() == state
    for each in (core, other):
        each.clock.run_for(ms(1))
        assert each.pending == 1 << SYSTICK
        assert Space(each)[0xE000_1004] == 16_016
    with pytest.raises(ValueError, match=r"^no snapshot of a v7-M core with the same devices$"):
        Core(fpu=False).restore(state)
    with pytest.raises(ValueError, match=r"^no snapshot"):
        core.restore({})


def test_escalation_is_told() -> None:
    """HFSR.FORCED is set when a fault becomes a HardFault for want of being enabled."""
    core = Core()
    assert core.fault(USAGE_FAULT) == HARD_FAULT
    assert Space(core)[0xE000_ED2C] == 1 << 30
    assert Core("v6-M").fault(HARD_FAULT) == HARD_FAULT


def test_sleep_ends_with_what_wakes() -> None:
    """WFI passes over events that make nothing due, and ends at the first that does; masked by PRIMASK as well."""
    core = Core()
    core.enable(1 << 16)
    core.primask = 1
    core.clock.every(1000, lambda: None)
    core.clock.after(2500, lambda: core.set_line(0, True))
    core.sleep()
    assert core.clock.now == 2500
    core.sleep()
    assert core.clock.now == 2500


def test_sleep_until_an_event() -> None:
    """WFE ends with an event, or an exception that would be taken; one that is masked does not end it."""
    core = Core()
    core.primask = 1
    core.clock.after(10, lambda: core.pend(SYSTICK))
    with pytest.raises(SleepForever, match=r"^the firmware sleeps \(WFE\) at 10 ns: no timer is running"):
        core.sleep_until_event()
    core.sev_on_pend = True
    core.clock.after(10, lambda: core.pend(14))
    core.sleep_until_event()
    assert (core.clock.now, core.event) == (20, True)


def test_sleep_on_exit_is_seen() -> None:
    """The board can tell that the core is to sleep when its handlers are done."""
    core = Core()
    assert not core.sleeps_on_exit
    Space(core)[0xE000_ED10] = 2
    assert core.sleeps_on_exit


def test_a_handler_that_runs_at_once_ends_the_sleep() -> None:
    """A board that takes an exception as soon as it hears of it leaves nothing pending, and the core is awake."""
    core = Core()

    def run_handler() -> None:
        number = core.take()
        if number is not None:
            core.leave(number)

    core.changed = run_handler
    core.clock.after(5, lambda: core.pend(SYSTICK))
    core.sleep()
    assert (core.clock.now, core.taken) == (5, 1)


def test_sleep_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers that continue for ever and wake nothing are an error in the end."""
    monkeypatch.setattr("mmio.cortex_m.core._NAPS", 100)
    core = Core()
    core.clock.every(7, lambda: None)
    with pytest.raises(SleepForever, match=r"at 700 ns: 100 timers have expired and none makes an enabled interrupt"):
        core.sleep()


def test_what_a_core_is_made_of() -> None:
    """CPUID by architecture or as given; junk is refused with its name."""
    assert Space(Core())[0xE000_ED00] == CORTEX_M4
    assert Space(Core("v6-M"))[0xE000_ED00] == CORTEX_M0_PLUS
    assert Space(Core(cpuid=0x411F_C272))[0xE000_ED00] == 0x411F_C272
    core = Core("v6-M")
    assert (core.interrupts, core.priority_bits) == (32, 2)
    junk: Any
    for name, junk, kind in (
        ("clock", 5, TypeError),
        ("frequency", 0, ValueError),
        ("frequency", 1e6, TypeError),
        ("reference", True, TypeError),
        ("interrupts", 0, ValueError),
        ("priority_bits", 9, ValueError),
        ("cpuid", -1, ValueError),
        ("architecture", "v9", ValueError),
    ):
        with pytest.raises(kind, match=f"^{name} is "):
            Core(**{name: junk})
