"""Generated schedules, values and times."""

from itertools import pairwise

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from mmio import Device, Spaced, bit, block, register, us
from mmio.faults import FaultError, Schedule, wrap
from mmio.faults.fault import KINDS
from mmio.models import Uart16550
from mmio.strategies import fault_schedules, interrupt_timings, register_values
from tests.mmio.faults.card import Bytes, Card

EVERY = tuple(KINDS)


class Part(Device):
    """A block."""

    ctrl = register(0, reset=0x40, fields=[bit("GO", 0)])


class Reset(Device):
    """A device with a block that has a reset value."""

    part = block(0x10, Part)


@pytest.mark.parametrize(
    "device", [Card, Uart16550, Card(), Spaced(Uart16550(), 4)], ids=["class", "model", "device", "spaced"]
)
@given(data=st.data())
def test_a_device_can_have_what_is_generated_for_it(device: object, data: st.DataObject) -> None:
    """Each schedule can be put in front of it."""
    schedule = data.draw(fault_schedules(device, effects=EVERY, max_faults=4, until=us(10)))
    made = device() if isinstance(device, type) else device
    with wrap(made, schedule) as faulty:
        faulty.close(warn=False)


@pytest.mark.parametrize("effect", EVERY)
def test_each_effect_is_generated(effect: str) -> None:
    """And shrinks to one fault that happens as early as it may."""
    found = find(fault_schedules(Card, effects=[effect]), lambda schedule: len(schedule) > 0)
    assert [fault.effect for fault in found] == [effect]
    assert {fault.after for fault in found} == {None}


@given(fault_schedules(Card, registers=["STAT"], fields=["RDY"], effects=["stuck", "late"], late=3, name="card0"))
def test_a_choice_is_kept_to(schedule: Schedule) -> None:
    """Of registers, fields and lateness; with the device's name in front."""
    for fault in schedule:
        assert fault.place == "card0.STAT"
        assert {setting.name for setting in fault.settings} == {"RDY"}
        assert fault.by is None or fault.by.count <= 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"effects": ["stuk"]}, "'stuk' is not an effect"),
        ({"registers": ["STTA"]}, "Card has no register 'STTA'; it has CTRL"),
        ({"fields": ["RYD"]}, "Card has no field 'RYD'"),
        ({"registers": ["IDENT"], "effects": ["stuck"]}, "Card has nothing that could be stuck"),
    ],
)
def test_what_a_device_cannot_have_is_refused(arguments: dict[str, list[str]], told: str) -> None:
    """When the strategy is made."""
    with pytest.raises(FaultError, match=told):
        fault_schedules(Card, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", [Bytes, Bytes(), 3, None])
def test_a_class_without_registers_is_refused(device: object) -> None:
    """By one error."""
    with pytest.raises(FaultError, match="declares no registers; expected a Device"):
        fault_schedules(device)
    with pytest.raises(FaultError, match="declares no registers; expected a Device"):
        register_values(device, "CTRL")


@given(register_values(Card, "CTRL"))
def test_values_are_within_the_fields(value: int) -> None:
    """Of an enumeration one of its values; bits of no field are as after reset."""
    assert value & ~0b1101 == 0x100
    assert value >> 2 & 3 in (0, 2)


@given(register_values(Reset, "part.CTRL"))
def test_a_register_in_a_block_has_its_own_reset_value(value: int) -> None:
    """The bits of no field are as the block's class has them."""
    assert value & ~1 == 0x40


@given(register_values(Card, "FIFO[2]"))
def test_a_register_without_fields_has_any_value(value: int) -> None:
    """That fits."""
    assert 0 <= value < 1 << 32


def test_a_register_that_is_not_there_is_named() -> None:
    """With those that are."""
    with pytest.raises(FaultError, match="Card has no register 'CTL'; it has CTRL"):
        register_values(Card, "CTL")


@settings(max_examples=50)
@given(interrupt_timings(us(50), max_size=8, least_apart=us(2)))
def test_interrupts_come_in_order_and_apart(times: list[int]) -> None:
    """And none too late."""
    assert len(times) <= 8
    assert all(0 <= time <= us(50) for time in times)
    assert all(later - earlier >= us(2) for earlier, later in pairwise(times))


@pytest.mark.parametrize("until", [-1, "5", 1.5])
def test_times_are_from_zero(until: object) -> None:
    """In whole ns."""
    with pytest.raises((TypeError, ValueError), match="until is an int"):
        interrupt_timings(until)  # type: ignore[arg-type]
