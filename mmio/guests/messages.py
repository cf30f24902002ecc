"""Messages of the vfio-user protocol: numbers, layouts, and the errors that end one message or the connection.

After QEMU's docs/interop/vfio-user.rst; flags and indices are those of <linux/vfio.h>. All integers have the byte order
of the host, which is little-endian here.
"""

import errno
import os
from struct import Struct
from typing import Final

from attrs import define, field

from mmio.errors import MmioError

HEADER: Final = Struct("<HHIII")
"""Message ID, command, size of the whole message in bytes, flags, error."""

VERSION: Final = 1
DMA_MAP: Final = 2
DMA_UNMAP: Final = 3
DEVICE_GET_INFO: Final = 4
DEVICE_GET_REGION_INFO: Final = 5
DEVICE_GET_IRQ_INFO: Final = 7
DEVICE_SET_IRQS: Final = 8
REGION_READ: Final = 9
REGION_WRITE: Final = 10
DMA_READ: Final = 11
DMA_WRITE: Final = 12
DEVICE_RESET: Final = 13
REGION_WRITE_MULTI: Final = 15

NAMES: Final = {
    VERSION: "VERSION",
    DMA_MAP: "DMA_MAP",
    DMA_UNMAP: "DMA_UNMAP",
    DEVICE_GET_INFO: "DEVICE_GET_INFO",
    DEVICE_GET_REGION_INFO: "DEVICE_GET_REGION_INFO",
    6: "DEVICE_GET_REGION_IO_FDS",
    DEVICE_GET_IRQ_INFO: "DEVICE_GET_IRQ_INFO",
    DEVICE_SET_IRQS: "DEVICE_SET_IRQS",
    REGION_READ: "REGION_READ",
    REGION_WRITE: "REGION_WRITE",
    DMA_READ: "DMA_READ",
    DMA_WRITE: "DMA_WRITE",
    DEVICE_RESET: "DEVICE_RESET",
    REGION_WRITE_MULTI: "REGION_WRITE_MULTI",
    16: "DEVICE_FEATURE",
    17: "MIG_DATA_READ",
    18: "MIG_DATA_WRITE",
}
"""Commands by number, as the specification names them, without VFIO_USER_."""

TYPE: Final = 0xF  # of the header's flags
REPLY: Final = 1
NO_REPLY: Final = 0x10
ERROR: Final = 0x20

VERSIONS: Final = Struct("<HH")  # major, minor
MAP: Final = Struct("<IIQQQ")  # argsz, flags, offset in the file, address, size
UNMAP: Final = Struct("<IIQQ")  # argsz, flags, address, size
INFO: Final = Struct("<IIII")  # argsz, flags, number of regions, number of interrupt types
REGION: Final = Struct("<IIIIQQ")  # argsz, flags, index, offset of capabilities, size, offset
IRQ: Final = Struct("<IIII")  # argsz, flags, index, count
IRQS: Final = Struct("<IIIII")  # argsz, flags, index, start, count
ACCESS: Final = Struct("<QII")  # offset, region, count
DMA: Final = Struct("<QQ")  # address, count

READABLE: Final = 1  # of a region, and of a DMA window
WRITABLE: Final = 2

CONFIG_REGION: Final = 7
REGIONS: Final = 9  # six BARs, the ROM, the configuration space, VGA
INTX: Final = 0
MSI: Final = 1
MSIX: Final = 2
IRQ_TYPES: Final = 5  # and errors, and requests to release the device

MOST_DATA: Final = 1 << 20  # bytes of one transfer, the default of max_data_xfer_size
MOST_DESCRIPTORS: Final = 16  # in one message
LARGEST: Final = HEADER.size + ACCESS.size + MOST_DATA
"""No message is longer, in bytes."""


class VfioUserError(MmioError):
    """The peer of a vfio-user connection violated the protocol, and the connection was closed."""


class Refused(Exception):
    """A command cannot be done; the client gets an error as its reply, and the connection continues.

    Attributes:
        errno: goes into the reply.
        problem: what was expected and what came.
    """

    def __init__(self, problem: str, errno: int = errno.EINVAL) -> None:
        super().__init__(problem)
        self.problem, self.errno = problem, errno


@define(eq=False)
class Message:
    """One message, and the descriptors that came with it, which are closed unless taken.

    Attributes:
        number: the message ID.
        command: its number.
        flags: of the header.
        error: of the header.
        payload: what follows the header.
        descriptors: that nothing has taken yet.
    """

    number: int
    command: int
    flags: int
    error: int
    payload: bytes
    descriptors: list[int] = field(factory=list)

    @property
    def name(self) -> str:
        """The command's name, or its number if it has none."""
        return NAMES.get(self.command, f"command {self.command}")

    def parsed(self, layout: Struct, *, exactly: bool = True) -> tuple[int, ...]:
        """Return the integers at the payload's start.

        Args:
            layout: of the payload.
            exactly: nothing may follow.

        Raises:
            Refused: the payload is too short or too long.
        """
        length = len(self.payload)
        if length < layout.size or (exactly and length > layout.size):
            raise Refused(f"expected {layout.size} bytes{'' if exactly else ' or more'} of payload, got {length}")
        return layout.unpack_from(self.payload)

    def take(self) -> list[int]:
        """Return the descriptors, which are the caller's from now on."""
        taken, self.descriptors = self.descriptors, []
        return taken

    def close(self) -> None:
        """Close the descriptors that nothing has taken."""
        for descriptor in self.take():
            os.close(descriptor)
