"""Addresses that a device may use, as in an IOMMU: DMA to any other address raises an error with the reason.

A driver maps a buffer, hands its address to the device, and unmaps it when the device has done. Hardware without an
IOMMU takes any address; so a driver that passes a wrong one, or one it has already unmapped, overwrites whatever
has the memory now, and fails somewhere else. A device whose `memory` is a `Dma` finds it at the access.
"""

from bisect import bisect_right, insort
from collections.abc import Sized
from typing import Any, Final

from attrs import frozen

from mmio.arguments import flag, integer, shortened, text
from mmio.device.memory import Data, KernelMemory, ProgramMemory, ProgramMemoryError, ThisProcess

__tracebackhide__ = True  # pytest reports the model that gave the address

_END: Final = 1 << 64
_NEAR: Final = 3  # mappings that a message names
_KEPT: Final = 4096  # mappings that are remembered after their end


class DmaError(ProgramMemoryError):
    """A device used an address that the driver has not mapped for it, or not for this direction.

    Args:
        verb: "read" or "write".
        address, length, done, stale: as below.
        problem: what is wrong, in words.
        device: whose access it was.

    Attributes:
        address: of the whole access, as the device has it.
        length: of the whole access, in bytes.
        done: bytes from its start that are mapped.
        stale: the mapping that was there and has been unmapped; None where none was.
    """

    def __init__(
        self, verb: str, address: int, length: int, done: int, problem: str, device: str, stale: "DmaMapping | None"
    ) -> None:
        super().__init__(verb, address, length, done, "", problem, device)
        self.stale = stale


@frozen(order=True)
class DmaMapping:
    """Addresses of the device that lead to memory.

    Attributes:
        iova: the first address that the device uses.
        length: in bytes.
        address: where it is in memory.
        writable: whether the device may write there.
        mapped: how many accesses the trace had when it was mapped; without a trace, how many transfers there had been.
        unmapped: the same of its end; None while it is there.
    """

    iova: int
    length: int
    address: int
    writable: bool = True
    mapped: int = 0
    unmapped: int | None = None

    @property
    def end(self) -> int:
        """The first address beyond."""
        return self.iova + self.length

    def __str__(self) -> str:
        return f"{self.iova:#x}..{self.end:#x}{'' if self.writable else ' (read-only)'}"


class Dma:
    """A map of the addresses that a device may use: an IOMMU for one device.

        dma = mmio.Dma()
        card.memory = dma
        dma.map(0x1000, address, length)  # as the driver's dma_map_single does
        dma.unmap(0x1000)

    Args:
        memory: where mapped addresses lead; this process's when left out.
        trace: of the accesses to the device, whose count tells when something was unmapped.
        device: whose accesses they are, in messages; the class of the device that is given the map when left out.

    Attributes:
        memory: as given.
        transfers: how many reads and writes the device has made.

    Raises:
        TypeError: an argument is of a wrong kind.
    """

    def __init__(self, memory: ProgramMemory | None = None, *, trace: Sized | None = None, device: str = "") -> None:
        if memory is not None and (isinstance(memory, type) or not isinstance(memory, ProgramMemory)):
            problem = "is something with read(address, length) and write(address, data)"
            raise TypeError(f"the memory behind a Dma {problem}, not {shortened(memory)}")
        if trace is not None and (isinstance(trace, str | bytes) or not isinstance(trace, Sized)):
            raise TypeError(f"trace is a Trace, not {shortened(trace)}")
        self.memory: ProgramMemory = ThisProcess(device) if memory is None else memory
        self.transfers = 0
        self.device = device
        self._trace = trace
        self._mapped: list[DmaMapping] = []  # in order, and none overlap
        self._former: list[DmaMapping] = []

    def __iter__(self) -> Any:
        """Iterate over what is mapped, in order of its addresses."""
        return iter(list(self._mapped))

    def __len__(self) -> int:
        """Return how many mappings there are."""
        return len(self._mapped)

    def map(self, iova: int, address: int, length: int, *, writable: bool = True) -> DmaMapping:
        """Map addresses of the device, from `iova` on, to memory.

        Args:
            iova: the first address that the device uses.
            address: where it is in memory.
            length: in bytes, from 1.
            writable: whether the device may write there.

        Raises:
            ValueError: some of them are mapped already, or there are no such addresses.
            TypeError: an argument is of a wrong kind.
        """
        iova = integer("iova", iova, 0, _END - 1)
        address = integer("address", address, 0, _END - 1)
        length = integer("length", length, 1, _END - max(iova, address))
        made = DmaMapping(iova, length, address, flag("writable", writable), self._now)
        for other in self._near(iova):
            if other.iova < made.end and iova < other.end:
                raise ValueError(
                    f"{made} is mapped already in part: by {other}, to {other.address:#x}; unmap that first"
                )
        insort(self._mapped, made)
        return made

    def unmap(self, iova: int, length: int | None = None) -> None:
        """End a mapping, or those that lie in a range.

        Args:
            iova: where it begins.
            length: of a range, within which all mappings end; of the one mapping when left out.

        Raises:
            ValueError: no mapping begins there; or the range cuts one.
            TypeError: an argument is of a wrong kind.
        """
        iova = integer("iova", iova, 0, _END - 1)
        if length is None:
            gone = [one for one in self._near(iova) if one.iova == iova]
        else:
            end = iova + integer("length", length, 1, _END - iova)
            gone = [one for one in self._mapped if one.iova < end and iova < one.end]
            for one in gone:
                if one.iova < iova or end < one.end:
                    raise ValueError(f"{iova:#x}..{end:#x} is a part of {one}, and a mapping ends as a whole")
        if not gone:
            raise ValueError(f"nothing is mapped at {iova:#x} to be unmapped; {self._around(iova)}")
        for one in gone:
            self._mapped.remove(one)
            self._former.append(DmaMapping(one.iova, one.length, one.address, one.writable, one.mapped, self._now))
        del self._former[:-_KEPT]

    def read(self, address: int, length: int) -> bytes:
        """Return bytes from an address of the device on.

        Args:
            address: of the first one, as the device has it.
            length: in bytes, from 0.

        Raises:
            DmaError: some of them are not mapped.
            ProgramMemoryError: they are, and the program has no memory there.
        """
        address = integer("address", address, 0, _END - 1)
        length = integer("length", length, least=0)
        parts = self._parts("read", address, length)
        self.transfers += 1
        return b"".join(self.memory.read(at, size) for at, size in parts)

    def write(self, address: int, data: Data) -> None:
        """Store bytes from an address of the device on, all of them or none.

        Args:
            address: of the first one, as the device has it.
            data: the bytes.

        Raises:
            DmaError: some of them are not mapped, or may only be read.
            ProgramMemoryError: they are, and the program has no memory there.
        """
        address = integer("address", address, 0, _END - 1)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data is bytes, not {shortened(data)}")
        copy = bytes(data)
        parts = self._parts("write", address, len(copy))
        self.transfers += 1
        done = 0
        for at, size in parts:
            self.memory.write(at, copy[done : done + size])
            done += size

    @property
    def device(self) -> str:
        """The name of the device in messages."""
        return self._device

    @device.setter
    def device(self, name: str) -> None:
        self._device = text("device", name)
        if isinstance(self.memory, KernelMemory) and not self.memory.device:
            self.memory.device = name

    @property
    def _now(self) -> int:
        if self._trace is None:
            return self.transfers
        dropped: int = getattr(self._trace, "dropped", 0)  # of a trace that keeps the last ones only
        return dropped + len(self._trace)

    def _near(self, iova: int) -> list[DmaMapping]:
        """Return the mapping that begins before an address, or at it, and those behind it."""
        return self._mapped[max(bisect_right(self._mapped, iova, key=lambda one: one.iova) - 1, 0) :]

    def _parts(self, verb: str, address: int, length: int) -> list[tuple[int, int]]:
        """Return where in memory the parts of a transfer are."""
        parts: list[tuple[int, int]] = []
        at, end = address, address + length
        for one in self._near(address):
            if at >= end or not one.iova <= at < one.end:
                break
            if verb == "write" and not one.writable:
                problem = f"{one} is mapped for reading only (DMA_TO_DEVICE), to {one.address:#x}"
                raise DmaError(verb, address, length, at - address, problem, self.device, None)
            size = min(one.end, end) - at
            parts.append((one.address + at - one.iova, size))
            at += size
        if at < end:
            raise self._unmapped(verb, address, length, at)
        return parts

    def _unmapped(self, verb: str, address: int, length: int, at: int) -> DmaError:
        where = "" if at == address else f" (from {at:#x} on)"
        stale = next((one for one in reversed(self._former) if one.iova <= at < one.end), None)
        if stale is None:
            problem = f"the driver has not mapped it{where}; {self._around(at)}"
        else:
            unit = "access" if self._trace is not None else "transfer"
            problem = (
                f"the address is stale{where}: {stale} was mapped, to {stale.address:#x}, until it was unmapped at "
                f"{unit} {stale.unmapped}; {self._around(at)}"
            )
        return DmaError(verb, address, length, at - address, problem, self.device, stale)

    def _around(self, iova: int) -> str:
        """Describe what is mapped near an address."""
        if not self._mapped:
            return "nothing is mapped"
        nearest = sorted(self._mapped, key=lambda one: max(one.iova - iova, iova - one.end + 1, 0))[:_NEAR]
        more = f" and {len(self._mapped) - _NEAR} more" if len(self._mapped) > _NEAR else ""
        return f"mapped are {', '.join(map(str, sorted(nearest)))}{more}"

    def __repr__(self) -> str:
        return f"Dma({len(self._mapped)} mapped, {self.transfers} transfers)"
