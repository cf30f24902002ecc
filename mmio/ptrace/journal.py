"""Perform each access of an attached program once, though the tracer may be killed at any moment.

A tracer performs an access and then sets the registers to what they are after the instruction. Killed between the two,
it leaves a thread that executes the instruction again (`crash_handler.py`): INC would count twice. Setting the
registers is the one step that the kernel makes whole or not at all, so the access is made part of it. The last store of
an instruction waits until all its registers are known. Then the thread is sent to code inside the program that makes
this store and continues after the instruction; then the tracer stores, and sets the registers for good. Killed before,
the tracer has changed nothing; killed after, the thread makes the store itself, which at worst stores the same value a
second time.

So it is for instructions on general registers that have read real memory before they store. Others are performed as
they come, and only their registers are set at once, before the records are made: it makes no difference to memory when
it is read again, or when registers that have not changed are stored again. docs/guarantees.md has the rest.
"""

from typing import Any, Final

from attrs import field, frozen

from decode import Instruction
from mmio.ptrace.crash_handler import STORES, CrashHandler
from mmio.ptrace.frame import RAX, RDI, RDX, RIP, Frame
from mmio.records.rows import Block
from mmio.signatures import arguments_of
from mmio.space.initiator import Initiator
from mmio.space.recorder import Recorder
from mmio.traces.trace import Trace

_REGISTERS: Final = (RAX, RDX, RDI, RIP)
_WORD: Final = (1 << 64) - 1


class LateRecords:
    """Recorder that keeps what is recorded during an access until the registers are set."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._kept: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []
        self._keeps = False

    @property
    def enabled(self) -> bool:
        """False while nothing is to be recorded."""
        return self._recorder.enabled

    @arguments_of(lambda: Trace.record)
    def record(self, *access: Any, **more: Any) -> None:
        """Record one access."""
        if self._keeps:
            self._kept.append((self._recorder.record, access, more))
        else:
            self._recorder.record(*access, **more)

    @arguments_of(lambda: Trace.site)
    def site(self, *shared: Any) -> None:
        """Return None: every access comes here."""

    def record_block(self, block: Block, ip: int, instruction: Instruction | None, thread: int) -> None:
        """Record the accesses of a block."""
        if self._keeps:
            self._kept.append((self._recorder.record_block, (block, ip, instruction, thread), {}))
        else:
            self._recorder.record_block(block, ip, instruction, thread)

    def keep(self) -> None:
        """Keep records from now on."""
        self._keeps = True

    def release(self) -> None:
        """Pass on what has been kept, and keep nothing more."""
        self._keeps = False
        kept, self._kept = self._kept, []
        for record, arguments, more in kept:
            record(*arguments, **more)


@frozen(eq=False)
class _Store:
    """A store that has yet to be made, and the registers at its instruction."""

    memory: Any
    offset: int
    address: int
    width: int
    value: int
    before: bytes


class Journal:
    """The access that is in progress in one process.

    Attributes:
        records: the recorder of the process.
        crash_handler: the process's; None when it has none.
    """

    def __init__(self, recorder: Recorder | None) -> None:
        self.records = None if recorder is None else LateRecords(recorder)
        self.crash_handler: CrashHandler | None = None
        self._frame: Frame | None = None
        self._bus: Initiator | None = None
        self._store: _Store | None = None
        self._has_read = False

    def begin(self, frame: Frame, bus: Initiator) -> None:
        """Begin with an access of a thread: its registers and its bus."""
        self._frame, self._bus, self._has_read = frame, bus, False
        if self.records is not None:
            self.records.keep()

    def finish(self) -> None:
        """Set the registers of the thread, now those after the instruction, and make the store that waits.

        Raises:
            ProcessLookupError: the thread is gone.
            Exception: the store failed; the registers are those at the instruction.
        """
        frame, store, handler = self._frame, self._store, self.crash_handler
        assert frame is not None
        if store is None or handler is None:
            frame.store()
            return
        self._store = None
        regs = frame.regs
        after = [regs[place] for place in _REGISTERS]
        handler.set_registers_after(*after)
        regs[RAX], regs[RDX] = store.value & _WORD, store.value >> 64
        regs[RDI], regs[RIP] = store.address, handler.store_code(store.width)
        try:
            frame.store()
        finally:  # also when it has been killed just now: the access is in the trace
            for place, value in zip(_REGISTERS, after, strict=True):
                regs[place] = value
            try:
                store.memory.write(store.offset, store.width, store.value)
            except BaseException:
                frame.restore(store.before)
                raise
            finally:
                frame.store()

    def end(self) -> None:
        """End the access; a store that still waits is not made. The records are passed on."""
        self._frame = self._bus = self._store = None
        if self.records is not None:
            self.records.release()

    def write(self, memory: Any, offset: int, address: int, width: int, value: int) -> None:
        """Make a store, at once or when the instruction has no other access left to make."""
        frame, bus = self._frame, self._bus
        self.flush()
        if (
            frame is None
            or bus is None
            or self.crash_handler is None
            or not self._has_read
            or width not in STORES
            or frame.fetched
            or (bus.instruction is not None and bus.instruction.rep)
        ):
            memory.write(offset, width, value)
        else:
            self._store = _Store(memory, offset, address, width, value, frame.saved())

    def read(self) -> None:
        """Note that the instruction reads now."""
        self._has_read = True
        self.flush()

    def flush(self) -> None:
        """Make the store that waits: the instruction has another access to make."""
        if self._store is not None:
            store, self._store = self._store, None
            store.memory.write(store.offset, store.width, store.value)


@frozen
class JournaledMemory:
    """Real memory behind a trapped mapping, as a device; its stores are made by a journal.

    Compared by value, because records compare what names them.
    """

    _memory: Any
    _start: int
    _journal: Journal = field(eq=False)

    def read(self, offset: int, width: int) -> int:
        """Read `width` bytes."""
        self._journal.read()
        value: int = self._memory.read(offset, width)
        return value

    def write(self, offset: int, width: int, value: int) -> None:
        """Write `width` bytes."""
        self._journal.write(self._memory, offset, self._start + offset, width, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._memory, name)
