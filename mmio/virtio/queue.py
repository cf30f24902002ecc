"""Split virtqueues: descriptor chains that a driver hands to a device and gets back (virtio 1.2, 2.7).

The rings are in the driver's memory, and whatever is there comes from the driver. So each index and each length is
checked before it is followed, and what the specification forbids is a `VirtqueueError`.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import frozen

from mmio.device.memory import Data, ProgramMemory
from mmio.errors import MmioError

NEXT, WRITE, INDIRECT = 1, 2, 4  # flags of a descriptor
NO_INTERRUPT: Final = 1  # of the available ring
MOST: Final = 1 << 15  # entries of a queue

_DESCRIPTOR: Final = struct.Struct("<QIHH")  # address, length, flags, next
_USED: Final = struct.Struct("<II")  # head of the chain, bytes written
_WORD: Final = struct.Struct("<H")
_RING: Final = 4  # bytes before the entries of a ring: flags and index
_AROUND: Final = 1 << 16  # of ring indices
_END: Final = 1 << 64  # of addresses
_ALIGNMENT: Final = {"desc": 16, "driver": 2, "device": 4}  # 2.7


class VirtqueueError(MmioError, ValueError):
    """A driver violated the virtio specification in a virtqueue."""


@frozen
class Buffer:
    """A buffer of a descriptor chain.

    Attributes:
        address: in the driver's memory.
        length: in bytes.
        writable: the device writes it; else it reads it.
    """

    address: int
    length: int
    writable: bool


class Chain:
    """A descriptor chain: what the device may read, then what it may write.

    `complete` gives it back to the driver.

    Args:
        queue: where it is from.
        head: the index of its first descriptor.
        buffers: in order.

    Attributes:
        head: as given.
        buffers: as given.
        written: bytes that `write` has put into it.
    """

    def __init__(self, queue: "Virtqueue", head: int, buffers: list[Buffer]) -> None:
        self.head = head
        self.buffers = buffers
        self.written = 0
        self._queue = queue
        self._completed = False

    @property
    def readable(self) -> list[Buffer]:
        """The buffers that the device may read."""
        return [buffer for buffer in self.buffers if not buffer.writable]

    @property
    def writable(self) -> list[Buffer]:
        """The buffers that the device may write."""
        return [buffer for buffer in self.buffers if buffer.writable]

    @property
    def capacity(self) -> int:
        """Bytes that the device may write in all."""
        return sum(buffer.length for buffer in self.writable)

    @property
    def size(self) -> int:
        """Bytes that the device may read in all."""
        return sum(buffer.length for buffer in self.readable)

    def read(self, length: int | None = None) -> bytes:
        """Return what the driver sends.

        Args:
            length: at most so many bytes; all when left out.

        Raises:
            ProgramMemoryError: the driver has no memory there.
        """
        left = self.size if length is None else length
        data = bytearray()
        for buffer in self.readable:
            wanted = min(buffer.length, left)
            data += self._queue.read(buffer.address, wanted)
            left -= wanted
        return bytes(data)

    def write(self, data: Data) -> int:
        """Put bytes into the writable buffers, behind those that are there; return how many had room.

        Args:
            data: the bytes.

        Raises:
            ProgramMemoryError: the driver has no memory there.
        """
        left = bytes(data)[: self.capacity - self.written]
        at, done = self.written, len(left)
        for buffer in self.writable:
            if at < buffer.length and left:
                part = left[: buffer.length - at]
                self._queue.write(buffer.address + at, part)
                left = left[len(part) :]
                self.written += len(part)
            at = max(at - buffer.length, 0)
        return done

    def complete(self, written: int | None = None) -> None:
        """Give the chain back to the driver.

        Args:
            written: bytes that the device has written, from the first writable buffer on; those of `write` when left
                out.

        Raises:
            ValueError: it has been given back already.
        """
        if self._completed:
            raise ValueError(f"the chain of descriptor {self.head} has been completed already")
        self._completed = True
        self._queue.push(self.head, self.written if written is None else written)

    def __repr__(self) -> str:
        return f"Chain({self.head}, reads {self.size} bytes, writes {self.capacity})"


class Virtqueue:
    """One queue, as the device has it. It is an iterator of the chains that the driver has made available.

        for chain in self.queues[0]:
            chain.write(b"answer to " + chain.read())
            chain.complete()

    Args:
        index: its number.
        most: the largest size that the driver may choose.
        memory_of: returns the driver's memory.
        interrupt: called when the driver is to be told of used buffers.

    Attributes:
        index: as given.
        most: as given.
        size: what the driver has chosen.
        ready: the driver has said that it may be used.
        desc, driver, device: the addresses of the descriptor table, the available ring and the used ring.
        seen: chains taken from the available ring so far, modulo 65,536.
        used: chains given back so far, modulo 65,536.
        event_index: interrupts are asked for by index (VIRTIO_F_EVENT_IDX).
    """

    def __init__(
        self, index: int, most: int, memory_of: Callable[[], ProgramMemory], interrupt: Callable[[], object]
    ) -> None:
        self.index, self.most = index, most
        self.size = most
        self.ready = False
        self.desc = self.driver = self.device = 0
        self.seen = self.used = 0
        self.event_index = False
        self._memory_of, self._interrupt = memory_of, interrupt

    @property
    def memory(self) -> ProgramMemory:
        """The driver's memory."""
        return self._memory_of()

    def reset(self) -> None:
        """Forget what the driver has said."""
        self.size, self.ready = self.most, False
        self.desc = self.driver = self.device = 0
        self.seen = self.used = 0

    def check(self) -> None:
        """Check what the driver has said before the queue is used.

        Raises:
            VirtqueueError: the size is none, or a ring is not aligned.
        """
        if not 1 <= self.size <= self.most or self.size & (self.size - 1):
            self._wrong(f"its size is {self.size}, expected a power of two up to {self.most}")
        for part, alignment in _ALIGNMENT.items():
            address = getattr(self, part)
            if address % alignment:
                self._wrong(f"its {part} area is at {address:#x}, expected a multiple of {alignment}")

    def __iter__(self) -> Iterator[Chain]:
        """Iterate over the chains that are available, until none is left.

        Raises:
            VirtqueueError: the driver has put something there that the specification forbids.
            ProgramMemoryError: there is no memory where the driver says that a ring is.
        """
        # A driver that adds chains all the time is served in the next iteration, after its next notification.
        for _ in range(_AROUND):
            chain = self.pop()
            if chain is None:
                return
            yield chain

    def pop(self) -> Chain | None:
        """Return the next chain; None where none is available. Raises as the iterator does."""
        if not self.ready:
            return None
        waiting = (self._word(self.driver + 2) - self.seen) % _AROUND
        if waiting > self.size:
            self._wrong(f"{waiting} chains are available at once, more than its {self.size} entries")
        if not waiting:
            if self.event_index:  # tell when the driver is to notify again (2.7.10)
                self._put_word(self.device + _RING + _USED.size * self.size, self.seen)
                waiting = (self._word(self.driver + 2) - self.seen) % _AROUND
            if not waiting or waiting > self.size:
                return None
        head = self._word(self.driver + _RING + 2 * (self.seen % self.size))
        self.seen = (self.seen + 1) % _AROUND
        return Chain(self, head, self._buffers(head))

    def push(self, head: int, written: int) -> None:
        """Give a chain back.

        Args:
            head: the index of its first descriptor.
            written: bytes that the device has written.

        Raises:
            ProgramMemoryError: there is no memory where the driver says that the used ring is.
        """
        entry = _USED.pack(head, min(written, (1 << 32) - 1))
        self.write(self.device + _RING + _USED.size * (self.used % self.size), entry)
        before, self.used = self.used, (self.used + 1) % _AROUND
        self._put_word(self.device + 2, self.used)
        if self.event_index:
            wanted = self._word(self.driver + _RING + 2 * self.size)
            told = (self.used - wanted - 1) % _AROUND < (self.used - before) % _AROUND
        else:
            told = not self._word(self.driver) & NO_INTERRUPT
        if told:
            self._interrupt()

    def read(self, address: int, length: int) -> bytes:
        """Return bytes of the driver's memory.

        Args:
            address: of the first one.
            length: in bytes.

        Raises:
            VirtqueueError: there are no such addresses.
            ProgramMemoryError: the driver has no memory there.
        """
        self._check_end(address, length)
        return self.memory.read(address, length)

    def write(self, address: int, data: bytes) -> None:
        """Store bytes in the driver's memory. Raises as `read` does.

        Args:
            address: of the first one.
            data: the bytes.
        """
        self._check_end(address, len(data))
        self.memory.write(address, data)

    def _check_end(self, address: int, length: int) -> None:
        if address + length > _END:
            self._wrong(f"{length} bytes at {address:#x} go beyond all addresses")

    def _buffers(self, head: int) -> list[Buffer]:
        """Follow a chain of descriptors."""
        buffers: list[Buffer] = []
        table, entries, at, is_indirect = self.desc, self.size, head, False
        for _ in range(self.size + 1):
            if at >= entries:
                self._wrong(f"descriptor {at} is beyond the {entries} of the table")
            address, length, flags, following = _DESCRIPTOR.unpack(
                self.read(table + _DESCRIPTOR.size * at, _DESCRIPTOR.size)
            )
            if flags & INDIRECT:
                if is_indirect or flags & NEXT:
                    self._wrong(f"descriptor {at} is indirect within a table, or goes on (flags {flags:#x})")
                if length % _DESCRIPTOR.size or not length:
                    self._wrong(f"the indirect table of descriptor {at} has {length} bytes, expected 16 for each entry")
                table, entries, at, is_indirect = address, length // _DESCRIPTOR.size, 0, True
                continue
            writable = bool(flags & WRITE)
            if buffers and buffers[-1].writable and not writable:
                self._wrong(f"descriptor {at} is read by the device and comes after one that it writes")
            if len(buffers) == self.size:
                break
            buffers.append(Buffer(address, length, writable))
            if not flags & NEXT:
                return buffers
            at = following
        self._wrong(f"the chain of descriptor {head} is longer than its {self.size} entries, or goes round")
        return []

    def _word(self, address: int) -> int:
        value: int = _WORD.unpack(self.read(address, 2))[0]
        return value

    def _put_word(self, address: int, value: int) -> None:
        self.write(address, _WORD.pack(value))

    def _wrong(self, problem: str) -> None:
        raise VirtqueueError(f"virtqueue {self.index}: {problem}")

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        names = ("size", "ready", "desc", "driver", "device", "seen", "used", "event_index")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: Any) -> None:
        """Take it back.

        Args:
            state: of `snapshot`.
        """
        for name in self.snapshot():
            setattr(self, name, type(getattr(self, name))(state[name]))

    def __repr__(self) -> str:
        state = f"{self.size} entries, {self.seen} taken, {self.used} given back" if self.ready else "not ready"
        return f"<Virtqueue {self.index}: {state}>"
