"""Virtualise SIGSEGV in the signal mask of a traced thread.

The kernel lets no thread block the signal of a fault: it unblocks the signal, and resets the program's handler for it
to the default (force_sig_info_to_task in kernel/signal.c). A program that blocks everything in a thread which works
with a device, as many do, would lose the handler that reports its crashes. So the bit is taken out of each mask on its
way to the kernel, remembered, and shown where the program asks. SIGSEGV sent by hand to such a thread is not held back.
The masks under which signal handlers run are the business of `signal_handlers.py`.
"""

from typing import Final

from mmio.linux.process_memory import read_memory, write_memory
from mmio.program.thread import Call
from mmio.ptrace import ptrace_requests
from mmio.ptrace.signal_actions import BIT, MASK_SIZE
from mmio.ptrace.thread import Thread

_BLOCK: Final = 0  # SIG_BLOCK
_UNBLOCK: Final = 1  # SIG_UNBLOCK


def entered(thread: Thread, call: Call) -> None:
    """Deal with an rt_sigprocmask of the program's, before it is made."""
    how, new, old, size = call.arguments[:4]
    data = read_memory(thread.pid, new, MASK_SIZE) if new else bytes(MASK_SIZE)
    if size != MASK_SIZE or len(data) != MASK_SIZE:
        return  # the kernel refuses
    mask = int.from_bytes(data, "little")
    before = after = thread.blocks_faults
    if new:
        meant = bool(mask & BIT)
        after = {_BLOCK: before or meant, _UNBLOCK: before and not meant}.get(how, meant)
    changed = {}
    if new and mask & BIT and how != _UNBLOCK:
        place = changed[1] = thread.buffer(MASK_SIZE)
        write_memory(thread.pid, place, (mask & ~BIT).to_bytes(MASK_SIZE, "little"))
    if not changed and before == after and not (old and before):
        return
    thread.set_call(call.number, changed, call.bits)

    def returned() -> None:
        failed = thread.call_result != 0
        thread.restore_call()
        if failed:
            return
        thread.blocks_faults = after
        if old and before:
            shown = int.from_bytes(read_memory(thread.pid, old, MASK_SIZE), "little") | BIT
            write_memory(thread.pid, old, shown.to_bytes(MASK_SIZE, "little"))

    thread.on_exit = returned


def take(thread: Thread) -> None:
    """Begin with a thread that may block SIGSEGV already. It is stopped."""
    mask = ptrace_requests.signal_mask(thread.pid)
    if mask & BIT:
        thread.blocks_faults = True
        thread.handling.append((None, 0))  # the thread may be in a handler that blocks it
        ptrace_requests.set_signal_mask(thread.pid, mask & ~BIT)


def leave(thread: Thread) -> None:
    """Block SIGSEGV in a stopped thread whose virtual mask blocks it."""
    if thread.blocks_faults:
        ptrace_requests.set_signal_mask(thread.pid, ptrace_requests.signal_mask(thread.pid) | BIT)
