"""Memory of the program that accesses a device, for the device's own reads and writes (DMA).

A driver gives its device an address in a register, and the device fetches or stores there. Whose memory that is depends
on where the driver runs: in this process, in a traced one, in a guest. So a device asks its `memory`, and who maps
the device says which it is.
"""

import os
from abc import ABC, abstractmethod
from typing import Final, Protocol, TypeAlias, runtime_checkable

from mmio.arguments import integer, shortened
from mmio.errors import MmioError
from mmio.linux.process_memory import read_here, write_memory

__tracebackhide__ = True  # pytest reports the model that gave the address

Data: TypeAlias = bytes | bytearray | memoryview

_LAST: Final = (1 << 64) - 1
_CHUNK: Final = 1 << 20  # bytes at once: a length that is garbage allocates no more than there is to read


class ProgramMemoryError(MmioError, ValueError):
    """A device accessed an address where the program has no memory of this length or kind.

    Attributes:
        address: of the whole access.
        length: of the whole access, in bytes.
        done: bytes from its start that could be reached.
    """

    def __init__(
        self,
        verb: str,
        address: int,
        length: int,
        done: int,
        whose: str,
        problem: str | None = None,
        device: str = "",
    ) -> None:
        bytes_ = f"{shortened(length)} byte{'s'[: length != 1]}"
        if problem is None:
            what = "memory to read" if verb == "read" else "memory to write to"
            problem = (
                f"{whose} has no {what} at {address + done:#x}; expected an address that the driver gave the device, "
                "and the length of the buffer there"
            )
        super().__init__(f"{verb} of {bytes_} at address {address:#x} by {device or 'a device'}: {problem}")
        self.address = address
        self.length = length
        self.done = done


@runtime_checkable
class ProgramMemory(Protocol):
    """Memory as a device reaches it: the contract of `Device.memory`."""

    def read(self, address: int, length: int) -> bytes:
        """Return exactly `length` bytes from an address on.

        Raises:
            ProgramMemoryError: some of them cannot be read.
        """

    def write(self, address: int, data: Data) -> None:
        """Store bytes from an address on.

        Raises:
            ProgramMemoryError: some of them cannot be stored. Those before the first such byte may have been.
        """


class KernelMemory(ABC):
    """Memory of a process, by way of the kernel: a wrong address is an error, and no fault.

    Args:
        device: whose accesses they are, in messages; the class of the device that is given it when left out.
    """

    def __init__(self, device: str = "") -> None:
        self.device = device

    def read(self, address: int, length: int) -> bytes:
        """Return bytes.

        Args:
            address: of the first one.
            length: in bytes, from 0.

        Raises:
            ProgramMemoryError: some of them cannot be read.
            TypeError: an argument is no int.
            ValueError: the address is not one of 64 bits, or the length is negative.
        """
        address = integer("address", address, 0, _LAST)
        length = integer("length", length, least=0)
        data = bytearray()
        while len(data) < length:
            wanted = min(_CHUNK, length - len(data), _LAST + 1 - address - len(data))
            try:
                part = self._read(address + len(data), wanted) if wanted else b""
            except NoProcess as error:
                raise self._gone("read", address, length, error) from None
            data += part
            if not part or len(part) < wanted:
                raise ProgramMemoryError("read", address, length, len(data), self._whose, device=self.device)
        return bytes(data)

    def write(self, address: int, data: Data) -> None:
        """Store bytes.

        Args:
            address: of the first one.
            data: the bytes.

        Raises:
            ProgramMemoryError: some of them cannot be stored. Those before the first such byte have been.
            TypeError: the address is no int, or the data are no bytes.
            ValueError: the address is not one of 64 bits.
        """
        address = integer("address", address, 0, _LAST)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data is bytes, not {shortened(data)}")
        copy = bytes(data)
        try:
            done = self._write(address, copy[: _LAST + 1 - address])
        except NoProcess as error:
            raise self._gone("write", address, len(copy), error) from None
        if done < len(copy):
            raise ProgramMemoryError("write", address, len(copy), done, self._whose, device=self.device)

    @property
    @abstractmethod
    def _whose(self) -> str:
        """Name the process in messages."""

    @abstractmethod
    def _read(self, address: int, length: int) -> bytes:
        """Return up to so many bytes, fewer where the rest cannot be read. Raises NoProcess."""

    @abstractmethod
    def _write(self, address: int, data: bytes) -> int:
        """Store bytes; return how many could be. Raises NoProcess."""

    def _gone(self, verb: str, address: int, length: int, error: "NoProcess") -> ProgramMemoryError:
        return ProgramMemoryError(verb, address, length, 0, "", str(error), self.device)


class NoProcess(MmioError):
    """No process is accessing the device, so there is no memory to use; the message says why."""


class ThisProcess(KernelMemory):
    """The memory of this process.

    What the process itself may not read or write, a device does not either: pages of a device's own registers, text,
    constants.
    """

    _whose = "this process"

    def _read(self, address: int, length: int) -> bytes:
        return read_here(address, length)

    def _write(self, address: int, data: bytes) -> int:
        return write_memory(os.getpid(), address, data)

    def __repr__(self) -> str:
        return "ThisProcess()"
