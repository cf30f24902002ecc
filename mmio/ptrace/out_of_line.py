"""Take a traced thread out of its out-of-line slot before a signal is delivered to the program."""

import ctypes
from signal import SIGTRAP
from typing import Final

from decode import WRITE
from mmio.live import out_of_line
from mmio.live.completion import operand_of
from mmio.live.fault_signals import TRAP_TRACE, SignalInfo
from mmio.live.out_of_line_slots import Slot
from mmio.program.faults import original
from mmio.ptrace import ptrace_requests
from mmio.ptrace.frame import RIP
from mmio.ptrace.thread import FAULTS, Thread

# No mask holds back the signal of a fault or of a single step: the kernel unblocks it and resets its handler.
_ALL_BUT_FAULTS: Final = (1 << 64) - 1 & ~sum(1 << number - 1 for number in (*FAULTS, SIGTRAP))


def leave(thread: Thread, slot: Slot) -> None:
    """Step a thread out of its out-of-line slot before a signal is delivered.

    Where the instruction itself faults (a floating-point exception) the thread is at the original: the current fault is
    reported as the original's, and one that is still to come comes when the original runs again.

    The thread is stopped at the signal, and stays so until it is delivered.
    """
    frame, info = thread.frame, thread.info
    thread.load_signal()
    if info.number in FAULTS and info.code > 0 and info.address == frame.regs[RIP]:
        original(slot, frame, info)
        thread.store_signal()
        frame.store()
        return
    about = bytes(info)
    mask = ptrace_requests.signal_mask(thread.pid)
    ptrace_requests.set_signal_mask(thread.pid, _ALL_BUT_FAULTS)
    assert slot.instruction is not None
    stores = operand_of(slot.instruction).direction & WRITE  # if only of elements of which none is selected
    while thread.process.slot_at(frame.regs[RIP]) is slot:
        if frame.regs[RIP] == slot.end and stores:
            out_of_line.finish(slot, frame, thread.bus)
            frame.store()
            break
        if not thread.step():
            frame.load()
            original(slot, frame, info)
            frame.store()
            break
        frame.load()
    ptrace_requests.set_signal_mask(thread.pid, mask)
    ctypes.memmove(ctypes.addressof(info), about, ctypes.sizeof(SignalInfo))
    if info.number == SIGTRAP and info.code == TRAP_TRACE:  # RFLAGS.TF: after the original, not after its copy
        info.address = frame.regs[RIP]
    thread.store_signal()
