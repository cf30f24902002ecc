"""A guest and its machine: a page of registers in memory, a UART at ports, and 32-bit code that uses both.

The models are those of examples/registers.py and examples/uart16550, as they are.
"""

import sys
from mmap import mmap
from pathlib import Path
from typing import Any, Final

import mmio
from emulate import Ram
from mmio.linux import listing

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "uart16550")]
from registers import Registers
from uart import Uart

RAM_SIZE: Final = 0x4000
START: Final = 0x1000
MESSAGE: Final = 0x2000
REGISTERS: Final = 0xFE000000
UART: Final = 0x3F8

TEXT: Final = b"Hello from a guest\n"

LISTING: Final = """
start: flat 32-bit code, no paging.
    fc             cld
    bf000000fe     mov edi,0FE000000h
    8a4701         mov al,[edi+1]
    66894702       mov [edi+2],ax
    8b4704         mov eax,[edi+4]
    894708         mov [edi+8],eax
    f30f7e4710     movq xmm0,[edi+10h]               from here on three that KVM does not emulate
    660fd64718     movq [edi+18h],xmm0
    f30fb84f04     popcnt ecx,[edi+4]
    894f20         mov [edi+20h],ecx
    66bafb03       mov dx,3FBh
    b003           mov al,3                          LCR: characters of 8 bits
    ee             out dx,al
    be00200000     mov esi,2000h                     the message
    b913000000     mov ecx,13h
    66baf803       mov dx,3F8h
    f36e           rep outsb dx,[esi]
    b2fd           mov dl,0FDh
    ec             in al,dx
    f4             hlt
"""


class Memory(Ram):
    """The guest's RAM, in pages that KVM can be given."""

    data: Any

    def __init__(self) -> None:
        super().__init__(0)
        self.data = mmap(-1, RAM_SIZE)
        self._load(START, b"".join(line.code for line in listing.read(LISTING)[1]))
        self._load(MESSAGE, TEXT)

    def _load(self, address: int, contents: bytes) -> None:
        self.data[address : address + len(contents)] = contents


class Machine:
    """RAM and the two devices in an address space, by whatever executes the guest.

    Attributes:
        memory: the RAM; it is the background of `space`, so it is not recorded.
        trace: what the guest did to its devices.
    """

    def __init__(self) -> None:
        self.memory = Memory()
        self.trace = mmio.Trace()
        self.space = mmio.AddressSpace(self.trace, background=self.memory)
        self.uart = Uart()
        self.space.map(REGISTERS, Registers.length, Registers(), "registers", widths=(1, 2, 4, 8))
        self.space.map_ports(UART, 8, self.uart, "uart")
