"""Virtualise SIGSEGV in the signal handlers of a traced program.

Each access to a device is a SIGSEGV, and where that is blocked the kernel resets the program's handler for it to the
default (force_sig_info_to_task in kernel/signal.c). It is blocked in a handler whose action says so in its mask, and in
the handler for SIGSEGV itself unless its action has SA_NODEFER. So the bit is taken out of each mask on its way to the
kernel, that flag is set, and both are remembered and shown where the program asks.

What a thread believes changes where a handler begins and where it ends. The tracer sees both: it passes each signal on,
and rt_sigreturn stops the thread. A program that has a fault of its own while it believes that SIGSEGV is blocked would
be killed by the kernel; the tracer does that.
"""

from signal import SIGSEGV
from typing import Final

from attrs import evolve

from mmio.linux import proc_maps
from mmio.linux.process_memory import read_memory, write_memory
from mmio.linux.syscall_table import NUMBERS
from mmio.live import signal_frame
from mmio.program.thread import Call
from mmio.ptrace.frame import RSP
from mmio.ptrace.signal_actions import BIT, LAYOUTS, MASK_SIZE, NONE, changed, shown
from mmio.ptrace.thread import Thread

_STACK_POINTER: Final = signal_frame.MCONTEXT + 8 * signal_frame.RSP


def entered(thread: Thread, call: Call) -> None:
    """Deal with an rt_sigaction of the program's, before it is made."""
    number, new, old, size = call.arguments[:4]
    layout, process = LAYOUTS[call.bits], thread.process
    action = read_memory(thread.pid, new, layout.size) if new else b""
    if size != MASK_SIZE or len(action) not in (0, layout.size):
        return  # the kernel refuses
    before = process.actions.get(number, NONE)
    told, said = changed(number, action, call.bits) if action else (action, before)
    hides = bool(old) and (before.masks or before.defers)
    if told == action and before == said and not hides:
        return
    place = thread.buffer(layout.size, call.bits) if told != action else new
    if told != action:
        write_memory(thread.pid, place, told)
    thread.set_call(call.number, {1: place}, call.bits)

    def returned() -> None:
        failed = thread.call_result != 0
        thread.restore_call()
        if failed:
            return
        if hides:
            found = read_memory(thread.pid, old, layout.size)
            write_memory(thread.pid, old, shown(found, before, call.bits))
        if thread.group == process.pid:  # a child of vfork has our memory, but actions of its own
            process.actions[number] = said

    thread.on_exit = returned


def take(thread: Thread) -> None:
    """Begin with a process whose actions have been set already, but for that for SIGSEGV. The thread is stopped."""
    process = thread.process
    for number in proc_maps.caught_signals(thread.pid) - {SIGSEGV}:
        action = _get(thread, number)
        told, process.actions[number] = changed(number, action, process.bits)
        if told != action:
            _set(thread, number, told)


def leave(thread: Thread) -> None:
    """Set the actions in the kernel as the program has set them. The thread is stopped."""
    process = thread.process
    for number, said in process.actions.items():
        if number != SIGSEGV and (said.masks or said.defers):
            _set(thread, number, shown(_get(thread, number), said, process.bits))
    process.actions.clear()


def passed(thread: Thread, number: int) -> None:
    """Take note that a thread which has stopped at a signal is about to receive one; 0 is none."""
    if not number:
        return
    process = thread.process
    said = process.action_for(number)
    if number == SIGSEGV and thread.info.code > 0 and thread.blocks_faults:
        thread.blocks_faults = False  # the kernel unblocks it, too
        _set(thread, SIGSEGV, bytes(LAYOUTS[process.bits].size))
    elif said.handled:
        thread.frame.load()
        thread.handling.append((thread.blocks_faults, thread.regs[RSP]))
        thread.blocks_faults |= said.masks or said.defers
        if said.once and number in process.actions:
            process.actions[number] = evolve(said, handled=False)


def returning(thread: Thread) -> None:
    """Take note that a thread is about to make rt_sigreturn, its stack pointer at the frame's struct ucontext."""
    if not thread.handling:
        return
    if thread.process.bits != 64:
        thread.blocks_faults = bool(thread.handling.pop()[0])
        return
    thread.frame.load()
    frame = int(thread.regs[RSP])
    interrupted = int.from_bytes(read_memory(thread.pid, frame + _STACK_POINTER, 8), "little")
    left = any(place == interrupted for _, place in thread.handling)
    while True:
        before, place = thread.handling.pop()
        if not left or place == interrupted:  # the others have been left by siglongjmp
            break
    if before is not None:
        thread.blocks_faults = before
        return
    place = frame + signal_frame.SIGNAL_MASK
    mask = int.from_bytes(read_memory(thread.pid, place, MASK_SIZE), "little")
    thread.blocks_faults = bool(mask & BIT)
    write_memory(thread.pid, place, (mask & ~BIT).to_bytes(MASK_SIZE, "little"))


def _get(thread: Thread, number: int) -> bytes:
    bits = thread.process.bits
    size = LAYOUTS[bits].size
    place = thread.buffer(size, bits)
    thread.make_call(NUMBERS[bits]["rt_sigaction"], number, 0, place, MASK_SIZE)
    return read_memory(thread.pid, place, size)


def _set(thread: Thread, number: int, action: bytes) -> None:
    bits = thread.process.bits
    place = thread.buffer(len(action), bits)
    write_memory(thread.pid, place, action)
    thread.make_call(NUMBERS[bits]["rt_sigaction"], number, place, 0, MASK_SIZE)
