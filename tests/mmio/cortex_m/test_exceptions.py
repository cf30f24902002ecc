"""Which exception is taken, by the manual's own words; and what makes one pending."""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.cortex_m.exceptions import Exceptions, LockupError, numbers
from mmio.cortex_m.priorities import (
    BUS_FAULT,
    EXTERNAL,
    HARD_FAULT,
    MEM_MANAGE,
    NMI,
    PENDSV,
    SVCALL,
    SYSTICK,
    THREAD,
    USAGE_FAULT,
)
from mmio.device.line import Line

INTERRUPTS: Final = 6
CONFIGURABLE: Final = (MEM_MANAGE, BUS_FAULT, USAGE_FAULT, SVCALL, PENDSV, SYSTICK, *range(16, 16 + INTERRUPTS))
ALL: Final = (NMI, HARD_FAULT, *CONFIGURABLE)

sets = st.sets(st.sampled_from(ALL))


def manual_execution_priority(core: Exceptions, active: set[int]) -> int:
    """Compute ExecutionPriority() as DDI 0403, B1.5.4 has it, step by step."""
    highest = boosted = 256
    group_value = 2 << core.prigroup
    for number in sorted(active):
        priority = core.priority(number)
        if priority < highest:
            highest = priority
            if highest >= 0:  # the fixed priorities have no subpriority
                highest -= highest % group_value
    if core.basepri:
        boosted = core.basepri - core.basepri % group_value
    if core.primask:
        boosted = 0
    if core.faultmask:
        boosted = -1
    return min(boosted, highest)


def manual_due(core: Exceptions, pending: set[int], enabled: set[int], active: set[int]) -> int | None:
    """Look at every pending exception: the winner is beaten by no other, and preempts what runs."""
    now = manual_execution_priority(core, active)
    group_value = 2 << core.prigroup
    candidates = [n for n in pending if n in enabled or n in (NMI, HARD_FAULT, SVCALL, PENDSV, SYSTICK)]
    for number in candidates:
        mine = core.priority(number)
        others = [(core.priority(other), other) for other in candidates if other != number]
        if any(priority < mine or (priority == mine and other < number) for priority, other in others):
            continue
        group = mine - mine % group_value if mine >= 0 else mine
        return number if group < now else None
    return None


@given(
    pending=sets,
    enabled=sets,
    nest=st.lists(st.sampled_from(ALL), max_size=4),
    priorities=st.fixed_dictionaries({n: st.integers(0, 255) for n in CONFIGURABLE}),
    bits=st.integers(2, 8),
    prigroup=st.integers(0, 7),
    primask=st.integers(0, 1),
    faultmask=st.integers(0, 1),
    basepri=st.integers(0, 255),
)
def test_due_is_what_the_manual_says(
    pending: set[int],
    enabled: set[int],
    nest: list[int],
    priorities: dict[int, int],
    bits: int,
    prigroup: int,
    primask: int,
    faultmask: int,
    basepri: int,
) -> None:
    """For any state, `due` is the manual's choice, and `take` takes just that."""
    core = Exceptions(interrupts=INTERRUPTS, priority_bits=bits)
    core.prigroup = prigroup
    for number, priority in priorities.items():
        core.set_priority(number, priority)
    core.enable(sum(1 << number for number in ALL))
    for number in nest:  # whichever of them preempt the one before
        core.pend(number)
        core.take()
    active = set(core.active)
    core.clear_pending(-1)
    core.disable(-1)
    core.enable(sum(1 << number for number in enabled))
    core.pend_all(sum(1 << number for number in pending))
    core.primask = primask
    core.basepri = basepri
    core.faultmask = faultmask
    assert core.execution_priority == manual_execution_priority(core, active)
    expected = manual_due(core, pending, enabled, active)
    assert core.due() == expected
    if not primask:
        assert core.wakes() == (expected is not None)
    before = core.active
    assert core.take() == expected
    assert core.active == (before if expected is None else (*before, expected))
    assert set(numbers(core.pending)) == pending - {expected}


@given(st.sets(st.integers(0, 5)), st.permutations(range(6)))
def test_all_that_is_pending_is_taken_in_order(pending: set[int], ranks: list[int]) -> None:
    """Handlers that end before the next begins run in order of priority."""
    core = Exceptions(interrupts=6)
    core.enable(-1)
    for irq, rank in enumerate(ranks):
        core.set_priority(EXTERNAL + irq, rank << 4)
    core.pend_all(sum(1 << EXTERNAL + irq for irq in pending))
    order = []
    while (number := core.take()) is not None:
        order.append(number - EXTERNAL)
        core.leave(number)
    assert order == sorted(pending, key=lambda irq: ranks[irq])


def test_subpriority_does_not_preempt() -> None:
    """With PRIGROUP 4, bits 7:5 decide on preemption, and bit 4 on the order among the pending."""
    core = Exceptions()
    core.enable(-1)
    core.prigroup = 4
    core.set_priority(20, 0x50)
    core.set_priority(21, 0x40)
    core.set_priority(22, 0x20)
    core.pend(20)
    assert core.take() == 20
    core.pend(21)
    assert core.due() is None
    core.pend(22)
    assert core.take() == 22
    core.leave(22)
    core.leave(20)
    core.pend(20)
    assert core.take() == 21


def test_levels_pend_again_on_return() -> None:
    """A line that is high makes its interrupt pending once, and again when its handler returns."""
    core = Exceptions()
    core.enable(1 << 16)
    core.set_line(0, True)
    core.set_line(0, True)
    assert core.take() == 16
    assert core.due() is None
    assert not core.pending
    core.leave(16)
    assert core.take() == 16
    core.set_line(0, False)
    core.leave(16)
    assert core.due() is None


def test_a_pulse_within_the_handler_pends() -> None:
    """A rising edge while the handler runs is not lost, though the line is low again when it returns."""
    core = Exceptions()
    core.enable(-1)
    core.set_line(3, True)
    core.take()
    core.set_line(3, False)
    core.set_line(3, True)
    core.set_line(3, False)
    core.leave(19)
    assert core.due() == 19


def test_pending_stays_when_the_line_falls_and_cannot_be_cleared_while_it_is_high() -> None:
    """Software clears what is pending once the device has released the line."""
    core = Exceptions()
    core.set_line(0, True)
    core.clear_pending(1 << 16)
    assert core.pending == 1 << 16
    core.set_line(0, False)
    assert core.pending == 1 << 16
    core.clear_pending(1 << 16)
    assert core.pending == 0


def test_a_line_of_a_device() -> None:
    """A connected line counts from its present level on; several on one interrupt are ored; the end detaches."""
    core = Exceptions()
    one, two = Line("one"), Line("two")
    one.set(True)
    end = core.connect(one, 5)
    assert core.pending == 1 << 21
    core.connect(two, 5)
    two.set(True)
    one.set(False)
    assert core.lines == 1 << 5
    two.set(False)
    assert core.lines == 0
    one.set(True)
    end()
    end()
    assert core.lines == 0
    one.set(False)
    one.set(True)
    assert core.lines == 0


def test_changed_tells_of_what_may_make_an_exception_due() -> None:
    """Pending, enabling, unmasking, a lower priority value and a return are told; the subscriber may take."""
    core = Exceptions()
    taken: list[int | None] = []
    core.changed = lambda: taken.append(core.due())

    def told() -> int | None:
        last = taken[-1] if taken else None
        taken.clear()
        return last

    core.set_line(0, True)
    assert told() is None
    core.enable(1 << 16)
    assert told() == 16
    core.primask = 1
    assert told() is None
    core.primask = 0
    assert told() == 16
    core.set_priority(16, 0x80)
    core.basepri = 0x80
    told()
    core.basepri = 0
    assert told() == 16
    core.faultmask = 1
    told()
    core.faultmask = 0
    assert told() == 16
    core.basepri = 0x80
    core.prigroup = 7
    told()
    core.basepri = 0
    core.prigroup = 0
    assert told() == 16
    core.take()
    core.pend(NMI)
    assert told() == NMI
    core.take()
    core.leave(NMI)
    assert told() is None
    core.leave(16)
    assert told() == 16


def test_fault_handlers() -> None:
    """A fault is its own exception where that is enabled and preempts; else a HardFault; in that, lockup."""
    core = Exceptions()
    assert core.fault(USAGE_FAULT) == HARD_FAULT
    core.clear_pending(-1)
    core.enable(1 << USAGE_FAULT)
    assert core.fault(USAGE_FAULT) == USAGE_FAULT
    assert core.take() == USAGE_FAULT
    assert core.fault(USAGE_FAULT) == HARD_FAULT
    assert core.take() == HARD_FAULT
    with pytest.raises(
        LockupError, match=r"^exception 6 at execution priority -1, in exception 3: not even a HardFault"
    ):
        core.fault(USAGE_FAULT)
    core.leave(HARD_FAULT)
    core.leave(USAGE_FAULT)
    core.primask = 1
    assert core.fault(SVCALL) == HARD_FAULT


def test_faultmask() -> None:
    """FAULTMASK leaves only NMI; it is not set within NMI and HardFault, and a return clears it, but not NMI's."""
    core = Exceptions()
    core.pend(HARD_FAULT)
    core.faultmask = 1
    assert core.due() is None
    core.pend(NMI)
    assert core.take() == NMI
    core.leave(NMI)
    assert core.faultmask == 1
    core.faultmask = 0
    assert core.take() == HARD_FAULT
    core.faultmask = 1
    assert core.faultmask == 0
    core.leave(HARD_FAULT)
    core.pend(SVCALL)
    assert core.take() == SVCALL
    core.faultmask = 1
    core.leave(SVCALL)
    assert core.faultmask == 0


def test_basepri_max_only_raises() -> None:
    """A write takes effect if it masks more; 0 never does."""
    core = Exceptions()
    for value, expected in ((0, 0), (0x80, 0x80), (0xC0, 0x80), (0x47, 0x40), (0, 0x40)):
        core.raise_basepri(value)
        assert core.basepri == expected


def test_wfi_wakes_in_spite_of_primask() -> None:
    """PRIMASK keeps the handler from running and not the core from waking; BASEPRI does both."""
    core = Exceptions()
    core.enable(-1)
    core.primask = 1
    core.set_priority(16, 0x80)
    core.pend(16)
    assert (core.due(), core.wakes()) == (None, True)
    core.basepri = 0x80
    assert not core.wakes()


def test_armv6m_has_less() -> None:
    """No groups, no BASEPRI, no FAULTMASK, no fault handlers but HardFault; two bits of priority."""
    core = Exceptions("v6-M", interrupts=32, priority_bits=2)
    core.basepri = 0x40
    core.faultmask = 1
    assert (core.basepri, core.faultmask, core.execution_priority) == (0, 0, THREAD)
    core.set_priority(SVCALL, 0xFF)
    assert core.priority(SVCALL) == 0xC0
    with pytest.raises(ValueError, match=r"^exception 4: a v6-M core has 2, 3, 11, 14, 15 and 16\.\.47$"):
        core.pend(MEM_MANAGE)


def test_events_and_the_monitor() -> None:
    """Taking and leaving clear the exclusive monitor and set the event register; SEVONPEND sets it, once a pending."""
    core = Exceptions()
    core.monitor = True
    core.pend(SVCALL)
    assert not core.event
    core.take()
    assert (core.monitor, core.event) == (False, True)
    core.monitor, core.event = True, False
    core.leave(SVCALL)
    assert (core.monitor, core.event) == (False, True)
    core.event, core.sev_on_pend = False, True
    core.pend(20)
    assert core.event
    core.event = False
    core.pend(20)
    assert not core.event


def test_what_is_refused() -> None:
    """Exceptions that the core does not have, fixed priorities, a return out of order, other things."""
    core = Exceptions(interrupts=3)
    junk: Any
    for junk in (-1, 0, 1, 7, 13, 19, 1 << 70):
        with pytest.raises(ValueError, match=r"^(exception|number) "):
            core.pend(junk)
    for junk in (True, 1.5, "3", None):
        with pytest.raises(TypeError, match="is an int, not"):
            core.pend(junk)
    with pytest.raises(ValueError, match=r"^exception 3 has the fixed priority -1$"):
        core.set_priority(HARD_FAULT, 0)
    with pytest.raises(ValueError, match="irq"):
        core.set_line(3, True)
    with pytest.raises(TypeError, match=r"^line is a Line of a device, not 5$"):
        core.connect(5, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^return from exception 16, but no handler runs"):
        core.leave(16)
    core.pend(SVCALL)
    core.take()
    with pytest.raises(ValueError, match=r"^return from exception 16, but the handler of exception 11 runs"):
        core.leave(16)
    with pytest.raises(ValueError, match=r"^architecture is one of v6-M, v7-M, not 'v8-M'$"):
        Exceptions("v8-M")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="interrupts"):
        Exceptions("v6-M", interrupts=33)


def test_the_state_survives_json() -> None:
    """What is restored continues as the other did; a snapshot is not changed by what happens later."""
    core = Exceptions(interrupts=8)
    core.enable(-1)
    core.set_priority(17, 0x30)
    core.set_line(2, True)
    core.pend(17)
    core.take()
    core.basepri = 0x50
    state = core.snapshot()
    text = json.dumps(state)
    core.leave(core.ipsr)
    assert json.dumps(state) == text
    other = Exceptions(interrupts=8)
    other.restore(json.loads(text))
    assert other.snapshot() == state
    other.leave(18)
    assert (other.due(), other.pending) == (18, 1 << 17 | 1 << 18)
    with pytest.raises(ValueError, match=r"^no snapshot of the exceptions of a core with 9 interrupts$"):
        Exceptions(interrupts=9).restore(state)
    with pytest.raises(ValueError, match=r"^no snapshot"):
        other.restore({})
