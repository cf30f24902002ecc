"""What a traced program may do at IO ports, and what comes of its asking for the right to.

Where devices answer, it is granted whatever it asks, and the kernel hears nothing of that. Where real ports are traced,
the kernel decides, by the program's own rights; then the traced ports alone are taken back. So these fault, while at
every other port the program goes on as fast as it would without us, and unseen. Threads, children and what they execute
inherit the rest from the kernel.

An access that touches a traced port is performed, and recorded, as one, whatever else it touches.

Where this differs from the kernel: the traced ports are granted to a process rather than to a thread, and giving up
`iopl` gives up what `ioperm` has granted, too. A right that a program inherits from before us is not seen, and neither
is what goes through `/dev/port`.
"""

from typing import TYPE_CHECKING, Final

from mmio.errors import UnmappedAccess
from mmio.linux.io_ports import PORTS, RealPorts
from mmio.linux.syscall_table import NUMBERS

if TYPE_CHECKING:
    from mmio.program.process import Process
    from mmio.ptrace.thread import Call, Thread

_ALL: Final = (1 << PORTS) - 1
_HIGHEST: Final = 3  # the level of `iopl` at which a program reaches ports, and the last one there is
_INT: Final = 0xFFFF_FFFF


class NotGranted(UnmappedAccess):
    """The program has no right to a real port: it faults there as it would without us."""


class TracedPorts(RealPorts):
    """The real ports as one process may use them."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self._targets = process.targets.real_ports
        self._traced = 0
        for target in self._targets:
            self._traced |= _bits(target.port, target.count)

    def read(self, port: int, width: int) -> int:
        """Read a port. Raises NotGranted."""
        self._check(port, width)
        return super().read(port, width)

    def write(self, port: int, width: int, value: int) -> None:
        """Write a port. Raises NotGranted."""
        self._check(port, width)
        super().write(port, width, value)

    def name_at(self, port: int, width: int) -> str | None:
        """Return the name of the target that an access touches."""
        names = (t.name for t in self._targets if t.port < port + width and port < t.end and t.name is not None)
        return next(names, None)

    def _check(self, port: int, width: int) -> None:
        touched = _bits(port, width)
        if touched & ~self._process.ports_granted or not touched & self._traced:
            raise NotGranted("touches a port that the program has no right to")


def asked(thread: "Thread", name: str, call: "Call") -> None:
    """Deal with `iopl` or `ioperm` before it is made."""
    process = thread.process
    targets = process.targets.real_ports
    if not targets:
        process.ports_granted = _ALL
        thread.answer_call(0)
        return
    first, count, on = call.arguments[0], call.arguments[1], bool(call.arguments[2] & _INT)
    if name == "iopl":
        level = call.arguments[0] & _INT
        if level > _HIGHEST:
            return  # the kernel says what it thinks of that
        first, count, on = 0, PORTS, level == _HIGHEST
    ioperm = NUMBERS[call.bits]["ioperm"]
    thread.set_call(ioperm, {0: first, 1: count, 2: on}, call.bits)

    def answered() -> None:
        result = verdict(thread)
        thread.restore_call(result)
        if result:
            return
        if not on:
            process.ports_granted &= ~_bits(first, count)
            return
        process.ports_granted |= _bits(first, count)
        for target in targets:
            thread.make_call(NUMBERS[process.bits]["ioperm"], target.port, target.count, 0)

    thread.on_exit = answered


def verdict(thread: "Thread") -> int:
    """Return what the kernel says to the program's asking: 0, or an error as a negative number."""
    return thread.call_result


def _bits(port: int, count: int) -> int:
    return (1 << count) - 1 << port
