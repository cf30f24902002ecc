"""An NVMe disk, as Linux's nvme driver sees it, whose blocks are bytes in Python.

    pagetrap boot --fetch --live --module nvme --device examples/guest/nvme.py:Disk -- 'head -n 2 /dev/nvme0n1'

After the NVM Express Base Specification 1.4: registers in chapter 3, commands in 5 and 6, queues in 4.1, PRP lists
in 4.3. One namespace of blocks of 512 bytes; commands are done in the moment that their doorbell is rung.
"""

import struct
from typing import Final

from attrs import define

from mmio import Device, array, bit, field, line, register
from mmio.pci import Bar, PciFunction

PAGE: Final = 4096
BLOCK: Final = 512
QUEUES: Final = 8
TEXT: Final = b"This line comes from a disk that is bytes in Python.\nThe driver is Debian's nvme.ko, as it is.\n"

# Opcodes of the admin queue, and of the others
DELETE_SQ, CREATE_SQ, GET_LOG, DELETE_CQ, CREATE_CQ, IDENTIFY, ABORT, SET_FEATURES, GET_FEATURES, ASYNC_EVENT = (
    *(0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0A),
    0x0C,
)
FLUSH, WRITE, READ = 0x00, 0x01, 0x02
INVALID_OPCODE, INVALID_FIELD, OUT_OF_RANGE = 0x001, 0x002, 0x080  # of a completion's status
NUMBER_OF_QUEUES: Final = 7  # a feature


@define
class Queue:
    """A ring in the guest's memory.

    Attributes:
        base: its address.
        size: entries.
        head: the next entry that is taken.
        tail: the next that is filled.
        phase: the bit that tells a new completion from that of the round before.
        completions: of a submission queue, the number of the queue for what was done.
    """

    base: int
    size: int
    head: int = 0
    tail: int = 0
    phase: int = 1
    completions: int = 0


class Nvme(Device):
    """The registers of the controller, and what it does with commands."""

    cap = register(
        0x00, access="r", reset=0x0401003F, fields=[field("MQES", 15, 0), bit("CQR", 16), field("TO", 31, 24)]
    )
    cap_high = register(0x04, access="r", reset=0x20, fields=[field("DSTRD", 3, 0), field("CSS", 12, 5)])
    vs = register(0x08, access="r", reset=0x00010400)
    intms = register(0x0C, on_write="woset")
    intmc = register(0x10, on_write="woclr")
    cc = register(
        0x14,
        fields=[bit("EN", 0), field("CSS", 6, 4), field("MPS", 10, 7), field("SHN", 15, 14), field("IOSQES", 19, 16)],
    )
    csts = register(0x1C, access="r", fields=[bit("RDY", 0), bit("CFS", 1), field("SHST", 3, 2)])
    aqa = register(0x24, fields=[field("ASQS", 11, 0), field("ACQS", 27, 16)])
    asq = array(0x28, count=2)
    acq = array(0x30, count=2)
    cmbloc = register(0x38, access="r")  # there is no memory in the controller
    cmbsz = register(0x3C, access="r")
    doorbell = array(0x1000, count=2 * QUEUES)
    irq = line()

    length = 0x4000

    def __init__(self, image: bytes = TEXT, blocks: int = 2048) -> None:
        self.image = bytearray(image.ljust(blocks * BLOCK, b"\0"))
        self.starts = True  # gets ready when it is enabled
        self.interrupts = True  # says that it has done something
        self.done: list[tuple[int, int]] = []  # queue and opcode of each command
        self._submissions: dict[int, Queue] = {}
        self._completions: dict[int, Queue] = {}

    @cc.written
    def _control(self, old: int, new: int) -> None:
        cc, csts = self.cc, self.csts
        if cc.EN and not old & 1 and self.starts:
            asq, acq = (low.value | high.value << 32 for low, high in (self.asq, self.acq))
            self._submissions = {0: Queue(asq, self.aqa.ASQS + 1)}
            self._completions = {0: Queue(acq, self.aqa.ACQS + 1)}
            csts.RDY = 1
        elif not cc.EN:
            self._submissions, self._completions = {}, {}
            csts.RDY = 0
            self.irq.set(False)
        csts.SHST = 2 if cc.SHN else 0

    @doorbell.written
    def _ring(self, index: int, old: int, new: int) -> None:
        """Take what is new in a submission queue; or note what was taken of a completion queue."""
        number, of_completions = divmod(index, 2)
        queue = (self._completions if of_completions else self._submissions).get(number)
        if queue is None or new >= queue.size:
            self.csts.CFS = 1  # fatal: the driver has to reset the controller
        elif of_completions:
            queue.head = new
            self._interrupt()
        else:
            queue.tail = new
            while queue.head != queue.tail:
                command = self.memory.read(queue.base + 64 * queue.head, 64)
                queue.head = (queue.head + 1) % queue.size
                self._do(number, queue, command)

    def _do(self, number: int, queue: Queue, command: bytes) -> None:
        opcode, _, identifier = struct.unpack_from("<BBH", command)
        self.done.append((number, opcode))
        result, status = self._io(opcode, command) if number else self._admin(opcode, command)
        if status is None:
            return
        target = self._completions[queue.completions]
        entry = struct.pack("<IIHHHH", result, 0, queue.head, number, identifier, status << 1 | target.phase)
        self.memory.write(target.base + 16 * target.tail, entry)
        target.tail = (target.tail + 1) % target.size
        target.phase ^= target.tail == 0
        self._interrupt()

    def _interrupt(self) -> None:
        waiting = any(queue.head != queue.tail for queue in self._completions.values())
        self.irq.set(waiting and self.interrupts and not self.intms.value & 1)

    def _admin(self, opcode: int, command: bytes) -> tuple[int, int | None]:
        """Do a command of the admin queue; return the result and the status, None for one that stays open."""
        address = struct.unpack_from("<Q", command, 24)[0]
        low, high = struct.unpack_from("<II", command, 40)  # dwords 10 and 11
        number, size = low & 0xFFFF, (low >> 16) + 1
        if opcode == IDENTIFY:
            return self._identify(low & 0xFF, command)
        if opcode == CREATE_CQ:
            self._completions[number] = Queue(address, size)
        elif opcode == CREATE_SQ:
            self._submissions[number] = Queue(address, size, completions=high >> 16)
        elif opcode == DELETE_SQ:
            self._submissions.pop(number, None)
        elif opcode == DELETE_CQ:
            self._completions.pop(number, None)
        elif opcode in (SET_FEATURES, GET_FEATURES) and low & 0xFF == NUMBER_OF_QUEUES:
            return (QUEUES - 2) << 16 | (QUEUES - 2), 0
        elif opcode == ASYNC_EVENT:
            return 0, None
        elif opcode == ABORT:
            return 1, 0  # it was not aborted
        elif opcode not in (SET_FEATURES, GET_FEATURES, GET_LOG):
            return 0, INVALID_OPCODE
        return 0, 0

    def _identify(self, what: int, command: bytes) -> tuple[int, int]:
        """Describe the namespace (0), the controller (1), the namespaces from one on (2), a namespace's names (3)."""
        page = bytearray(PAGE)
        (namespace,) = struct.unpack_from("<I", command, 4)
        if what == 0:
            struct.pack_into("<QQQ", page, 0, *[len(self.image) // BLOCK] * 3)
            page[130] = BLOCK.bit_length() - 1  # of the format 0
        elif what == 1:
            struct.pack_into(
                "<HH20s40s8s", page, 0, 0x1234, 0x1234, b"1".ljust(20), b"Bytes in Python".ljust(40), b"1" * 8
            )
            struct.pack_into("<I", page, 80, self.vs.value)
            page[512:514] = b"\x66\x44"  # sizes of entries
            struct.pack_into("<I", page, 516, 1)  # namespaces
            page[768:1024] = b"nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-000000000001".ljust(256, b"\0")
        elif what == 2:
            struct.pack_into("<I", page, 0, 1 if namespace < 1 else 0)
        elif what == 3:
            page[0:2], page[4:20] = b"\3\x10", bytes(15) + b"\1"  # a UUID
        else:
            return 0, INVALID_FIELD
        self._scatter(command, page)
        return 0, 0

    def _io(self, opcode: int, command: bytes) -> tuple[int, int]:
        """Do a command of another queue."""
        block, blocks = struct.unpack_from("<QH", command, 40)
        begin, length = block * BLOCK, (blocks + 1) * BLOCK
        if opcode == FLUSH:
            return 0, 0
        if opcode not in (READ, WRITE):
            return 0, INVALID_OPCODE
        if begin + length > len(self.image):
            return 0, OUT_OF_RANGE
        if opcode == READ:
            self._scatter(command, self.image[begin : begin + length])
        else:
            self.image[begin : begin + length] = b"".join(
                self.memory.read(address, size) for address, size in self._pages(command, length)
            )
        return 0, 0

    def _scatter(self, command: bytes, data: bytearray) -> None:
        done = 0
        for address, size in self._pages(command, len(data)):
            self.memory.write(address, bytes(data[done : done + size]))
            done += size

    def _pages(self, command: bytes, length: int) -> list[tuple[int, int]]:
        """Return the pieces of a command's buffer: the first page, and the second or a list of all others."""
        first, second = struct.unpack_from("<QQ", command, 24)
        pieces = [(first, min(length, PAGE - first % PAGE))]
        left = length - pieces[0][1]
        if 0 < left <= PAGE:
            return [*pieces, (second, left)]
        while left > 0:
            count = min((PAGE - second % PAGE) // 8, (left + PAGE - 1) // PAGE)
            entries = struct.unpack(f"<{count}Q", self.memory.read(second, 8 * count))
            if count * PAGE < left:  # the last entry is the next list
                entries, second = entries[:-1], entries[-1]
            for address in entries:
                pieces.append((address, min(left, PAGE)))
                left -= pieces[-1][1]
        return pieces


class Disk(PciFunction):
    """The card."""

    def __init__(self, nvme: Nvme | None = None) -> None:
        self.nvme = Nvme() if nvme is None else nvme
        super().__init__(0x1234, 0x0953, 0x010802, bars=[Bar(0, self.nvme, size=0x4000)])
        self.interrupts.follow(self.nvme.irq)
