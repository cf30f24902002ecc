"""Memory of the process that is accessing a device, for the device's own accesses (DMA)."""

from collections.abc import Callable
from typing import NamedTuple

from mmio.device.device import Device
from mmio.device.memory import KernelMemory, NoProcess, ThisProcess
from mmio.linux.libc import PROT_READ, PROT_WRITE
from mmio.linux.process_memory import read_memory, write_memory
from mmio.live.memory import Unreachable
from mmio.program.memory import OwnMemory
from mmio.program.process import Process


class Accessing(NamedTuple):
    """The process whose access is being made, or was the last one.

    Attributes:
        tid: of a living thread of it.
        process: what is trapped in it; None where another process knows.
    """

    tid: int
    process: Process | None


class ProgramsMemory(KernelMemory):
    """The memory of the process whose access is being made.

    Addresses are those of the program. A page that is trapped because a traced range begins or ends in it is reached
    all the same; where a device answers there is none.

    Args:
        accessing: returns the process; None when there is none, yet or any more.
        device: whose accesses they are, in messages.
    """

    def __init__(self, accessing: Callable[[], Accessing | None], device: str) -> None:
        super().__init__(device)
        self._accessing = accessing

    @property
    def _whose(self) -> str:
        return f"process {self._process().tid}"

    def _process(self) -> Accessing:
        found = self._accessing()
        if found is None:
            raise NoProcess(
                "there is no program whose memory it could be: the process that accessed the device last has ended, or "
                "none has yet; a device reaches memory while its driver runs"
            )
        return found

    def _read(self, address: int, length: int) -> bytes:
        tid, process = self._process()
        try:
            data = read_memory(tid, address, length)
        except ProcessLookupError:
            raise _ended(tid) from None
        while len(data) < length:
            own = _own(process, address + len(data), PROT_READ, length - len(data))
            if own is None:
                break
            memory, room = own
            data += memory.read_block(0, room)
            data += read_memory(tid, address + len(data), length - len(data))
        return data

    def _write(self, address: int, data: bytes) -> int:
        tid, process = self._process()
        try:
            done = write_memory(tid, address, data)
        except ProcessLookupError:
            raise _ended(tid) from None
        while done < len(data):
            own = _own(process, address + done, PROT_WRITE, len(data) - done)
            if own is None:
                break
            memory, room = own
            try:
                memory.write_block(0, data[done : done + room])
            except Unreachable:
                break
            done += room
            done += write_memory(tid, address + done, data[done:])
        return done


def give_memory(device: object, accessing: Callable[[], Accessing | None]) -> None:
    """Give a device the memory of the accessing process, unless it has been given another than this process's.

    Args:
        device: any device; those that only stand before another one are looked through.
        accessing: as of `ProgramsMemory`.
    """
    inner = device
    while not isinstance(inner, Device) and hasattr(inner, "device") and inner.device is not inner:
        inner = inner.device
    if isinstance(inner, Device) and isinstance(inner.memory, ThisProcess | ProgramsMemory):
        inner.memory = ProgramsMemory(accessing, type(inner).__name__)


def _ended(tid: int) -> NoProcess:
    return NoProcess(f"process {tid} has ended, whose memory it was; a device reaches memory while its driver runs")


def _own(process: Process | None, address: int, needed: int, wanted: int) -> tuple[OwnMemory, int] | None:
    """Return the program's own memory at an address in a trapped page, and how much of what is wanted is there."""
    if process is None or process.targets.has_device_at(address):
        return None
    for trapped in process.trapped_in(address, address + 1):
        if trapped.is_own and trapped.protection & needed:
            devices = [target.start for target in process.targets.fixed_devices if target.start > address]
            end = min(trapped.end, address + wanted, *devices)
            return OwnMemory(process.own_memory, address), end - address
    return None
