"""Determine what a thread of a program has faulted at, and perform the access.

The signal tells which it is: a page that may not be accessed (SEGV_ACCERR, with the address), or an instruction that
user code may not execute (SI_KERNEL, without): IN and OUT, and the HLT at the end of an out-of-line copy that stores.
Where nothing is mapped (SEGV_MAPERR), only a device at a fixed address answers. Everything else is the program's own.
"""

from signal import SIGSEGV
from typing import Final, Protocol

from decode import DecodeError
from decode.refusal import MAX_LENGTH
from mmio.errors import AccessError, UnmappedAccess
from mmio.linux.libc import PROT_EXEC
from mmio.live import out_of_line
from mmio.live.fault_signals import ACCERR, KERNEL, SignalInfo, is_guest_fault, signal_of
from mmio.live.instruction_cache import InstructionCache
from mmio.live.out_of_line import StoppedFrame
from mmio.live.out_of_line_slots import Slot
from mmio.program.ports import NotGranted
from mmio.program.process import Process
from mmio.space.initiator import Initiator

_MAPERR: Final = 1  # SEGV_MAPERR


class FaultedThread(Protocol):
    """A thread of a program that has stopped at a fault: what performing its access needs of an engine.

    Its registers are given with it, as a `StoppedFrame`.
    """

    @property
    def pid(self) -> int:
        """The TID."""

    @property
    def process(self) -> Process:
        """The process whose memory it runs in."""

    @property
    def bus(self) -> Initiator:
        """Its bus: devices and memory of the program."""


def perform(
    thread: FaultedThread,
    frame: StoppedFrame,
    instructions: InstructionCache,
    cause: int,
    address: int,
    ip: int,
    word: int,
) -> bool:
    """Perform the access that a thread has faulted at; return False when the fault is the program's own.

    Args:
        thread: the thread.
        frame: its registers.
        instructions: the instructions known of code of this width.
        cause: si_code of its SIGSEGV.
        address: si_addr.
        ip: the instruction pointer.
        word: the eight bytes there, 0 where not all can be read.

    Raises:
        UnsupportedInstruction: the instruction can be completed neither by the emulator nor out of line.
        MissedAccess: the instruction does not access the page that it faulted at.
        Exception: what a device raised, or a fault of the program's own: see `signal_for`.
    """
    process = thread.process
    if cause == ACCERR or (cause == _MAPERR and process.targets.has_device_at(address)):
        if not process.traps(address):
            return False
        if 0 <= address - ip < MAX_LENGTH and _is_fetch(process, frame, instructions, address):
            return False
        instruction = instructions[word]
    elif cause == KERNEL:
        known = instructions.of_a_protection_fault(word, frame) if process.targets.ports else None
        if known is None or known.port is None:
            return _copy_has_ended(thread, frame)
        process.targets.match_ports()
        instruction = known
    else:
        return False
    bus = thread.bus
    bus.ip = ip
    bus.instruction = instruction.instruction
    instruction.run(frame, bus)
    return True


def signal_for(
    thread: FaultedThread, frame: StoppedFrame, error: BaseException, cause: int, ip: int, address: int
) -> SignalInfo | None:
    """Return the signal that the program is to receive for an exception of `perform`; None when it is not a fault.

    A fault of the program's own is one that it would have had anyway. So is an access to an IO port that the program
    has no right to, where no device answers.
    """
    if isinstance(error, UnmappedAccess) and cause == KERNEL:
        if isinstance(error, NotGranted) or not thread.process.port_rights.granted:
            return SignalInfo(number=SIGSEGV, code=KERNEL)
    elif is_guest_fault(error):
        signal = signal_of(error, ip, address, thread.pid)
        if signal.code == ACCERR and thread.process.reserved_in(signal.address, signal.address + 1):
            signal.code = _MAPERR  # as it would be if nothing were reserved there
        return signal
    return None


def original(slot: Slot, frame: StoppedFrame, info: SignalInfo) -> None:
    """Report a fault that an out-of-line copy has raised as one of the original instruction, where the thread is now.

    Args:
        slot: the slot that the thread is in.
        frame: its registers, which must be stored afterwards.
        info: the current signal, which names the original afterwards.
    """
    if info.address == frame.rip:
        info.address = slot.ip
    frame.rip = slot.ip
    slot.release()


def _copy_has_ended(thread: FaultedThread, frame: StoppedFrame) -> bool:
    """Finish an out-of-line copy that has reached its HLT; return False when that is not what has happened."""
    slot = thread.process.slot_at(frame.rip)
    if slot is None or frame.rip != slot.end:
        return False
    out_of_line.finish(slot, frame, thread.bus)
    return True


def check_fetch(process: Process, address: int) -> None:
    """Check a fault at code: it is the program's own, unless the code is trapped.

    Raises:
        AccessError: the program may execute what is trapped.
    """
    if any(trapped.protection & PROT_EXEC for trapped in process.trapped_in(address, address + 1)):
        raise AccessError(
            f"the program executes code at {address:#x}, in a mapping that is trapped: trap only mappings of data"
        )


def _is_fetch(process: Process, frame: StoppedFrame, instructions: InstructionCache, address: int) -> bool:
    """Return whether it is the code of an instruction that is trapped, not what it accesses.

    Raises:
        AccessError: the program may execute what is trapped.
    """
    try:
        instruction = instructions.at(frame).instruction
    except DecodeError:
        instruction = None
    if instruction is not None and address >= frame.rip + instruction.length:
        return False
    check_fetch(process, address)
    return True
