"""Accesses of attached programs whose tracer is killed in the middle of one."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mmio.ptrace.crash_handler import STORES
from mmio.ptrace.frame import RAX, RDI, RDX, RIP, WORDS
from mmio.ptrace.journal import Journal, JournaledMemory
from tests.mmio.ptrace import kills
from tests.native import run_python

RUN = "import sys; from tests.mmio.ptrace.kills import main; main('chosen', *sys.argv[1:])"


@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(
    st.lists(
        st.tuples(st.integers(0, len(kills.OPERATIONS) - 1), st.floats(0, 1, exclude_max=True)),
        min_size=8,
        max_size=8,
    )
)
def test_every_access_is_made_once_whenever_the_tracer_is_killed(cases: list[tuple[int, float]]) -> None:
    """A tracer killed at any bytecode of an access leaves memory, registers and flags as in a native execution."""
    done = run_python(RUN, *(f"{operation}:{moment}" for operation, moment in cases))
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


START, AFTER, STORE_CODE, BASE = 0x1000, 0x1004, 0x7000, 0x50000
_WORD = (1 << 64) - 1


class TracerKilled(BaseException):
    """The tracer has received SIGKILL."""


class Machine:
    """A stopped thread with its memory, and the effects that a tracer has on it, before one of which it is killed.

    Attributes:
        memory: the bytes behind the trapped mapping.
        regs: of the thread, as the kernel has them.
        effects: of the tracer so far.
        recorded_at: the thread's instruction pointer when the access was recorded.
    """

    def __init__(self, kill_before: int | None = None) -> None:
        self.memory = bytearray(range(1, 65))
        self.regs = [0x1111 * place for place in range(WORDS)]
        self.regs[RIP], self.regs[RDI] = START, BASE
        self.effects: list[str] = []
        self.recorded_at: int | None = None
        self._kill_before = kill_before
        self._after: tuple[int, ...] = ()
        self._killed = False
        # What a tracer has of it:
        self.frame: Any = SimpleNamespace(
            regs=self.regs.copy(), fetched=False, store=self._set, saved=lambda: bytes(8), restore=self._restore
        )
        self.journal = Journal(SimpleNamespace(enabled=True, record=self._record))
        self.journal.crash_handler = SimpleNamespace(  # type: ignore[assignment]
            store_code=lambda width: STORE_CODE + width, set_registers_after=self._note
        )
        behind = SimpleNamespace(read=self.read, write=self._write)
        self.device = JournaledMemory(behind, BASE, self.journal)

    def _happens(self, effect: str) -> bool:
        """Note an effect; return whether it takes place: a killed tracer has no more."""
        if len(self.effects) == self._kill_before and not self._killed:
            self._killed = True
            raise TracerKilled
        if not self._killed:
            self.effects.append(effect)
        return not self._killed

    def _set(self) -> None:
        if self._happens("registers"):
            self.regs[:] = self.frame.regs

    def _restore(self, saved: bytes) -> None:
        self.frame.regs[RIP] = START

    def _note(self, *after: int) -> None:
        if self._happens("registers after"):
            self._after = after

    def _record(self, *access: Any) -> None:
        if self._happens("record"):
            self.recorded_at = self.regs[RIP]

    def read(self, offset: int, width: int) -> int:
        """Read memory."""
        return int.from_bytes(self.memory[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int) -> None:
        """Write memory, as the thread itself does."""
        self.memory[offset : offset + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")

    def _write(self, offset: int, width: int, value: int) -> None:
        if self._happens("store"):
            self.write(offset, width, value)

    def trace(self, operation: "Operation", width: int) -> None:
        """Perform an instruction as the tracer does."""
        self.journal.begin(self.frame, SimpleNamespace(instruction=None))  # type: ignore[arg-type]
        try:
            operation(self.frame.regs, self.device, width)
            records: Any = self.journal.records
            records.record("access")
            self.frame.regs[RIP] = AFTER
            self.journal.finish()
        finally:
            self.journal.end()

    def run(self, operation: "Operation", width: int) -> None:
        """Let the thread run on without a tracer to the end of the instruction."""
        regs = self.regs
        if regs[RIP] == START:
            operation(regs, self, width)
            regs[RIP] = AFTER
        elif regs[RIP] != AFTER:
            assert regs[RIP] == STORE_CODE + width
            self.write(regs[RDI] - BASE, width, regs[RAX] | regs[RDX] << 64)
            regs[RAX], regs[RDX], regs[RDI], regs[RIP] = self._after


Operation = Callable[[Any, Any, int], None]


def increment(regs: Any, memory: Any, width: int) -> None:
    """INC."""
    memory.write(0, width, memory.read(0, width) + 1)


def exchange_and_add(regs: Any, memory: Any, width: int) -> None:
    """XADD with rax, or with rdx and rax as CMPXCHG16B has them."""
    old = memory.read(0, width)
    memory.write(0, width, old + regs[RAX])
    regs[RAX], regs[RDX] = old & _WORD, old >> 64 or regs[RDX]


def move(regs: Any, memory: Any, width: int) -> None:
    """MOVS."""
    memory.write(32, width, memory.read(0, width))
    regs[RDI] += width


def store(regs: Any, memory: Any, width: int) -> None:
    """STOS."""
    memory.write(0, width, regs[RAX])
    regs[RDI] += width


def load(regs: Any, memory: Any, width: int) -> None:
    """LODS."""
    regs[RAX] = memory.read(0, width) & _WORD
    regs[RDI] += width


@pytest.mark.parametrize("width", STORES)
@pytest.mark.parametrize("operation", [increment, exchange_and_add, move, store, load])
def test_killed_before_any_effect_of_a_tracer_has_made_an_access_once(operation: Operation, width: int) -> None:
    """Killed before any effect, a tracer leaves a thread that ends its instruction as natively."""
    native = Machine()
    native.run(operation, width)
    whole = Machine()
    whole.trace(operation, width)
    assert (whole.memory, whole.regs) == (native.memory, native.regs)
    assert (whole.effects[-1], whole.recorded_at) == ("record", AFTER)  # else it would be recorded, and made again
    for moment in range(len(whole.effects)):
        machine = Machine(kill_before=moment)
        with pytest.raises(TracerKilled):
            machine.trace(operation, width)
        machine.run(operation, width)
        assert (machine.memory, machine.regs) == (native.memory, native.regs), whole.effects[:moment]


def test_a_store_that_waits_is_made_before_the_next_access() -> None:
    """What an instruction has stored, it reads back; an earlier store is not overtaken by a later one."""
    machine = Machine()
    machine.journal.begin(machine.frame, SimpleNamespace(instruction=None))  # type: ignore[arg-type]
    machine.device.read(0, 4)
    machine.device.write(0, 4, 7)
    assert machine.effects == []
    assert machine.device.read(0, 4) == 7
    machine.device.write(0, 4, 8)
    machine.device.write(0, 4, 9)
    assert machine.read(0, 4) == 8
    machine.journal.finish()
    assert machine.read(0, 4) == 9


def test_a_store_that_fails_leaves_the_registers_at_the_instruction() -> None:
    """A store that fails in the last moment is a fault of the instruction, which has done nothing."""
    machine = Machine()

    def write(offset: int, width: int, value: int) -> None:
        raise OSError(5, "the device is gone")

    machine.device = JournaledMemory(SimpleNamespace(read=machine.read, write=write), BASE, machine.journal)
    with pytest.raises(OSError, match="the device is gone"):
        machine.trace(increment, 4)
    assert machine.regs[RIP] == START


def test_an_access_that_was_given_up_leaves_no_store_behind() -> None:
    """The store of an instruction that ends by an exception is not made with the next instruction."""
    machine = Machine()

    def failing(regs: Any, memory: Any, width: int) -> None:
        increment(regs, memory, width)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        machine.trace(failing, 4)
    machine.trace(load, 4)
    assert "store" not in machine.effects
