"""Handle iopl(2) and ioperm(2), by which a program requests access to IO ports (`ports.py` has the rules)."""

from errno import EINVAL
from typing import Final

from mmio.linux.io_ports import PORTS
from mmio.linux.syscall_table import NUMBERS
from mmio.program.thread import Call, StoppedThread

_HIGHEST: Final = 3  # the level of `iopl` at which a program reaches ports, and the last one there is
_INT: Final = 0xFFFF_FFFF


def entered(thread: StoppedThread, name: str, call: Call) -> None:
    """Deal with `iopl` or `ioperm` before it is made."""
    process = thread.process
    targets = process.targets.real_ports
    first, count, on = call.arguments[0], call.arguments[1], bool(call.arguments[2] & _INT)
    if name == "iopl":
        level = call.arguments[0] & _INT
        if level > _HIGHEST:
            return  # the kernel refuses
        first, count, on = 0, PORTS, level == _HIGHEST
    if not targets:
        possible = count > 0 and first + count <= PORTS  # as ksys_ioperm of arch/x86/kernel/ioport.c checks
        if possible:
            (process.port_rights.grant if on else process.port_rights.revoke)(first, count)
        thread.answer_call(0 if possible else -EINVAL)
        return
    ioperm = NUMBERS[call.bits]["ioperm"]
    thread.set_call(ioperm, {0: first, 1: count, 2: on}, call.bits)

    def answered() -> None:
        result = verdict(thread)
        thread.restore_call(result)
        if result:
            return
        if not on:
            process.port_rights.revoke(first, count)
            return
        process.port_rights.grant(first, count)
        for target in targets:
            thread.make_call(NUMBERS[process.bits]["ioperm"], target.port, target.count, 0)

    thread.on_exit = answered


def verdict(thread: StoppedThread) -> int:
    """Return the kernel's result of the program's call: 0, or a negative errno."""
    return thread.call_result
