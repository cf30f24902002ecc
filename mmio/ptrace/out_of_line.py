"""Completing natively what the emulator does not do: the traced thread runs a copy of the instruction.

The copy stands in a page that the tracer has mapped in the traced process, with its memory operand in a slot in
another; nothing else differs. What the instruction reads is put into the slot through the devices first. A copy that
only loads ends in a jump to the next instruction, and there is no second stop; a copy that stores ends in HLT, which
stops the thread once more, and what it left in the slot goes to the devices.
"""

import ctypes
import struct
from typing import Final

from decode import READ, WRITE, Instruction, MemoryTouch, accesses
from decode.resolve import effective_address
from mmio.linux.libc import PAGE, PROT_EXEC, PROT_READ
from mmio.linux.syscall_table import NUMBERS
from mmio.live.completion import can_complete, marked, operand_of
from mmio.live.fault_signals import SignalInfo
from mmio.ptrace import ptrace_requests
from mmio.ptrace.frame import RIP
from mmio.ptrace.out_of_line_slots import RETURN, SIZE, Copies, Copy
from mmio.ptrace.thread import FAULTS, Thread
from mmio.records.flags import NATIVE

_ALL_BUT_FAULTS: Final = (1 << 64) - 1 & ~sum(1 << number - 1 for number in FAULTS)  # which cannot be blocked


def start(thread: Thread, instruction: Instruction) -> bool:
    """Send a thread through a copy of the instruction it stands at; return False when no copy could do its work.

    The frame is loaded, and must be stored afterwards.
    """
    process, frame = thread.process, thread.frame
    if instruction.bits != process.bits or not can_complete(instruction):
        return False
    if process.copies is None:
        place = thread.map_memory(SIZE)
        thread.make_call(NUMBERS[process.bits]["mprotect"], place, PAGE, PROT_READ | PROT_EXEC)
        copies = process.copies = Copies(process.own_memory, place)
        frame.load()
    copies = process.copies
    operand = operand_of(instruction)
    address = effective_address(instruction, operand, frame)
    touches = [touch for touch in accesses(instruction, frame) if isinstance(touch, MemoryTouch)]
    copy = copies.take(instruction)
    with marked(thread.bus, NATIVE):
        for direction, at, width in touches:
            if direction & READ:
                copies.put(copy.slot + at - address, thread.bus.read(at, width).to_bytes(width, "little"))
    copy.ip, copy.address, copy.taken = frame.regs[RIP], address, True
    copy.stores = [touch for touch in touches if touch.direction & WRITE]
    copies.put(copy.data + RETURN, struct.pack("<QQ", copy.ip + instruction.length, 1))
    frame.regs[RIP] = copy.start
    return True


def finish(thread: Thread, copy: Copy) -> None:
    """Hand on what a copy has stored, and go on after the original. The frame is loaded, and must be stored."""
    bus = thread.bus
    bus.ip, bus.instruction = copy.ip, copy.instruction
    copies = thread.process.copies
    assert copy.instruction is not None
    assert copies is not None
    with marked(bus, NATIVE):
        for _, at, width in copy.stores:
            data = copies.get(copy.slot + at - copy.address, width)
            bus.write(at, width, int.from_bytes(data, "little"))
    copy.taken = False
    thread.regs[RIP] = copy.ip + copy.instruction.length


def leave(thread: Thread, copy: Copy) -> None:
    """Step a thread out of its out-of-line slot before a signal is delivered.

    Where the instruction itself faults (a floating-point exception) the thread is at the original: the fault at hand is
    told as the original's, and one that is still to come comes when the original runs again.

    The thread is stopped at the signal, and stays so until it is delivered.
    """
    thread.load_signal()
    if thread.info.number in FAULTS and thread.info.code > 0 and thread.info.address == thread.regs[RIP]:
        thread.info.address = copy.ip
        thread.store_signal()
        _undo(thread, copy)
        return
    about = bytes(thread.info)
    copies = thread.process.copies
    assert copies is not None
    mask = ptrace_requests.signal_mask(thread.pid)
    ptrace_requests.set_signal_mask(thread.pid, _ALL_BUT_FAULTS)
    assert copy.instruction is not None
    stores = operand_of(copy.instruction).direction & WRITE  # if only of elements of which none is selected
    while copies.at(thread.regs[RIP]) is copy:
        if thread.regs[RIP] == copy.end and stores:
            finish(thread, copy)
            thread.frame.store()
            break
        if not thread.step():
            thread.frame.load()
            _undo(thread, copy)
            break
        thread.frame.load()
    ptrace_requests.set_signal_mask(thread.pid, mask)
    ctypes.memmove(ctypes.addressof(thread.info), about, ctypes.sizeof(SignalInfo))
    thread.store_signal()


def _undo(thread: Thread, copy: Copy) -> None:
    """Put a thread whose copy has done nothing yet back to the original."""
    copy.taken = False
    thread.regs[RIP] = copy.ip
    thread.frame.store()
