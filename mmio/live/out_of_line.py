"""Execute an instruction natively that is not emulated: the CPU executes a copy of it, out of line.

The memory operand of the copy is in a slot, and nothing else differs: the copy runs with the program's own registers.
What the instruction reads is put into the slot from the device first, access by access as `decode.accesses` has them. A
copy that only loads jumps to the next instruction, and no second fault happens. A copy that stores ends in HLT, which
faults once more; then what it left in the slot is written to the device.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

from decode import READ, WRITE, Instruction, MemoryTouch, accesses
from decode.registers import GENERAL, REGISTERS
from decode.resolve import Registers, effective_address
from emulate import UnsupportedInstruction
from mmio.live.completion import can_complete, marked, operand_of
from mmio.live.out_of_line_slots import Slot, SlotMemory, Slots
from mmio.records.flags import NATIVE
from mmio.space.initiator import Initiator

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

_SHOWN: Final = ("rip", *(name for name, r in REGISTERS.items() if r.file == GENERAL and r.width == 8), "rflags")


class StoppedFrame(Registers, Protocol):
    """The registers of a thread that stopped at a fault, and what completing its instruction needs beside them.

    Attributes:
        rip: the instruction pointer.
    """

    rip: Any  # a descriptor of `RegisterFile`

    @property
    def fault_address(self) -> int:
        """The address of the access that raised the page fault (CR2)."""

    def code(self, address: int, length: int) -> bytes:
        """Return up to `length` bytes of code at an address, fewer where the rest cannot be read."""

    def out_of_line_slots(self) -> Slots:
        """Return the slots of the thread's process, made when they are first asked for."""


Run: TypeAlias = Callable[[Any, Initiator], None]
"""Completes an instruction: `run(frame, bus)`."""


def completion(error: UnsupportedInstruction) -> Run:
    """Return how to complete an instruction that the emulator does not emulate: out of line, or by raising `error`."""
    instruction = error.instruction
    if not can_complete(instruction):

        def refuse(frame: StoppedFrame, bus: Initiator) -> None:
            raise UnsupportedInstruction(instruction, f"{error.reason}, at {frame.rip:#x}; {registers(frame)}")

        return refuse

    def complete(frame: StoppedFrame, bus: Initiator) -> None:
        start(frame, bus, instruction)

    return complete


def start(frame: StoppedFrame, bus: Initiator, instruction: Instruction) -> None:
    """Send a thread through a copy of the instruction that it stands at.

    Raises:
        UnsupportedInstruction: the slots of the process cannot be reached from code of this width.
    """
    slots = frame.out_of_line_slots()
    if instruction.bits != slots.bits:
        raise UnsupportedInstruction(instruction, f"{instruction.bits}-bit code in a {slots.bits}-bit program")
    address = effective_address(instruction, operand_of(instruction), frame)
    touches = [touch for touch in accesses(instruction, frame) if isinstance(touch, MemoryTouch)]
    slot = slots.take(instruction, frame.rip, bus.thread)
    try:
        slot.address, slot.stores = address, [touch for touch in touches if touch.direction & WRITE]
        with marked(bus, NATIVE):
            _load(slot, touches, slots, bus)
        frame.rip = slot.start
    except BaseException:
        frame.rip = slot.ip
        slot.release()
        raise


def _load(slot: Slot, touches: list[MemoryTouch], slots: Slots, bus: Initiator) -> None:
    """Put what an instruction reads into its slot.

    A function of its own: what a signal handler of Python's raises at the end of a loop's body is not seen by `try` or
    `with` around the loop in the same function (CPython's exception tables leave the jump out), but around the call.
    """
    for direction, at, width in touches:
        if direction & READ:
            slots.memory.write(slot.operand + at - slot.address, bus.read(at, width).to_bytes(width, "little"))


def finish(slot: Slot, frame: StoppedFrame, bus: Initiator) -> None:
    """Write what a copy has stored to the device, and let the thread continue after the original."""
    assert slot.instruction is not None
    bus.ip, bus.instruction = slot.ip, slot.instruction
    with marked(bus, NATIVE):
        _store(slot, frame.out_of_line_slots().memory, bus)
    skip(slot, frame)
    slot.release()


def _store(slot: Slot, memory: SlotMemory, bus: Initiator) -> None:
    """Write what a copy has stored; a function of its own, as `_load` is."""
    for _, at, width in slot.stores:
        bus.write(at, width, int.from_bytes(memory.read(slot.operand + at - slot.address, width), "little"))


def skip(slot: Slot, frame: StoppedFrame) -> None:
    """Set the thread to continue after the original instruction."""
    assert slot.instruction is not None
    frame.rip = slot.ip + slot.instruction.length


def registers(frame: StoppedFrame) -> str:
    """Return the general registers of a thread as text."""
    return " ".join(f"{name}={getattr(frame, name):#x}" for name in _SHOWN)
