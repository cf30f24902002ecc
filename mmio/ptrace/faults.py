"""Handle a SIGSEGV of a traced thread: perform the access, or deliver the signal to the program."""

import ctypes
from signal import SIGSEGV
from typing import Final

from mmio.live.fault_signals import TRAP_FLAG, SignalInfo, single_step
from mmio.live.instruction_cache import InstructionCache
from mmio.program.faults import original, perform, signal_for
from mmio.ptrace.frame import CODE_32, CS, RFLAGS, RIP, SLOTS
from mmio.ptrace.thread import Thread


class _Instructions(dict[int, InstructionCache]):
    """The instructions known of all tracees, by the selector of the code segment they are executed in."""

    def __missing__(self, selector: int) -> InstructionCache:
        known = self[selector] = InstructionCache(SLOTS, 32 if selector == CODE_32 else 64)
        return known


_instructions: Final = _Instructions()


def answer(thread: Thread) -> int:
    """Perform the access a thread has stopped at; return the signal the program is to receive, 0 for none.

    Its registers, the signal and the code have been fetched. The registers must be stored before it continues.

    Raises:
        UnsupportedInstruction: the instruction can be completed neither by the emulator nor out of line.
        MissedAccess: see there.
        Exception: what a device raised.
    """
    frame, regs, info, journal = thread.frame, thread.regs, thread.info, thread.process.journal
    cause, address, ip = info.code, info.address, regs[RIP]
    if journal is not None:
        journal.begin(frame, thread.bus)
    try:
        done = perform(thread, frame, _instructions[regs[CS]], cause, address, ip, thread.code.value)
        if done and journal is not None:
            journal.finish()
    except Exception as error:
        signal = signal_for(thread, frame, error, cause, ip, address)
        if signal is None:
            raise
        return _raise(thread, signal)
    finally:
        if journal is not None:
            journal.end()
    if done:
        if frame.fetched:
            frame.store()
        if regs[RFLAGS] & TRAP_FLAG and regs[RIP] != ip and thread.process.slot_at(regs[RIP]) is None:
            return _raise(thread, single_step(regs[RIP]))
        return 0
    slot = thread.process.slot_at(ip)
    if slot is not None:
        original(slot, frame, info)
        thread.store_signal()
    return SIGSEGV


def _raise(thread: Thread, signal: SignalInfo) -> int:
    """Replace the signal that a thread has stopped at; return the number of the other one."""
    ctypes.memmove(ctypes.addressof(thread.info), ctypes.addressof(signal), ctypes.sizeof(SignalInfo))
    thread.store_signal()
    return int(signal.number)
