"""A virtual CPU of /dev/kvm, in the few ioctls that takes (Linux: Documentation/virt/kvm/api.rst).

Its registers are an emulator's, too: KVM's general registers are worked on where the ioctl puts them, the vector
registers lie in an XSAVE area like those of every other source.
"""

import fcntl
import os
import struct
from ctypes import addressof, c_char, c_uint64
from mmap import mmap
from typing import Any, Final

from mmio.linux.xsave import XSave
from mmio.live.xsave_frame import XSaveFrame

# linux/kvm.h
_CREATE_VM: Final = 0xAE01
_GET_VCPU_MMAP_SIZE: Final = 0xAE04
_CREATE_VCPU: Final = 0xAE41
_SET_USER_MEMORY_REGION: Final = 0x4020AE46
_RUN: Final = 0xAE80
_GET_REGS: Final = 0x8090AE81
_SET_REGS: Final = 0x4090AE82
_GET_SREGS: Final = 0x8138AE83
_SET_SREGS: Final = 0x4138AE84
_ENABLE_CAP: Final = 0x4068AEA3
_GET_XSAVE: Final = 0x9000AEA4
_SET_XSAVE: Final = 0x5000AEA5

_CAP_EXIT_ON_EMULATION_FAILURE: Final = 204

EXIT_IO: Final = 2
EXIT_HLT: Final = 5
EXIT_MMIO: Final = 6
EXIT_INTERNAL_ERROR: Final = 17

INTERNAL_ERROR_EMULATION: Final = 1
"""The suberror that says: an instruction that KVM had to emulate and cannot."""

SLOTS: Final = (0, 2, 3, 1, 6, 7, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)
"""Where rax rcx rdx rbx rsp rbp rsi rdi r8 … r15 rip rflags stand in struct kvm_regs."""

_SEGMENT: Final = struct.Struct("<QIH8BBx")  # struct kvm_segment: base, limit, selector, eight attributes, unusable
_DB, _L = 6, 8  # of its fields: 32-bit code, 64-bit code
_ORDER: Final = (2, 0, 5, 1, 3, 4)  # es cs ss ds fs gs in struct kvm_sregs, which begins with cs ds es fs gs ss
_CR0: Final = 224
_CR4: Final = 248

_PE: Final = 1
_OSFXSR: Final = 1 << 9
_ACCESSED_CODE, _ACCESSED_DATA = 11, 3  # types of segments (SDM vol. 3A, 3.4.5.1)


class VCpu(XSaveFrame):
    """The one CPU of a virtual machine, and its registers between two runs.

    Attributes:
        run_area: the page that KVM tells us in why it has stopped (struct kvm_run).

    Raises:
        OSError: there is no KVM, or it cannot do this.
    """

    slots = SLOTS

    def __init__(self, memory: mmap) -> None:
        with open("/dev/kvm", "r+b", buffering=0) as kvm:
            self._machine = fcntl.ioctl(kvm, _CREATE_VM, 0)
            size = fcntl.ioctl(kvm, _GET_VCPU_MMAP_SIZE)
        # An instruction that KVM cannot emulate shall come to us, and not become the guest's #UD.
        fcntl.ioctl(self._machine, _ENABLE_CAP, struct.pack("<IIQ88x", _CAP_EXIT_ON_EMULATION_FAILURE, 0, 1))
        start = addressof(c_char.from_buffer(memory))
        fcntl.ioctl(self._machine, _SET_USER_MEMORY_REGION, struct.pack("<IIQQQ", 0, 0, 0, len(memory), start))
        self._cpu = fcntl.ioctl(self._machine, _CREATE_VCPU, 0)
        self.run_area = mmap(self._cpu, size)
        self.regs: Any = (c_uint64 * 18)()
        self._system = bytearray(0x138)  # struct kvm_sregs
        self._area = (c_char * 4096)()
        self._xsave = XSave(addressof(self._area), len(self._area))

    def close(self) -> None:
        """Give the machine back."""
        self.run_area.close()
        os.close(self._cpu)
        os.close(self._machine)

    def start(self, ip: int) -> None:
        """Begin in flat 32-bit protected mode, with SSE allowed."""
        self.load()
        for number in range(6):
            kind = _ACCESSED_DATA if number else _ACCESSED_CODE
            selector = 0x10 if number else 0x08
            segment = (0, 0xFFFFFFFF, selector, kind, 1, 0, 1, 1, 0, 1, 0, 0)  # present, 32-bit, counted in pages
            _SEGMENT.pack_into(self._system, number * _SEGMENT.size, *segment)
        for offset, bit in ((_CR0, _PE), (_CR4, _OSFXSR)):
            (old,) = struct.unpack_from("<Q", self._system, offset)
            struct.pack_into("<Q", self._system, offset, old | bit)
        fcntl.ioctl(self._cpu, _SET_SREGS, self._system)
        self.regs[SLOTS[16]] = ip
        self.store()

    def load(self) -> None:
        """Fetch the registers."""
        fcntl.ioctl(self._cpu, _GET_REGS, self.regs)
        fcntl.ioctl(self._cpu, _GET_SREGS, self._system)
        fcntl.ioctl(self._cpu, _GET_XSAVE, self._area)
        segments = [_SEGMENT.unpack_from(self._system, number * _SEGMENT.size) for number in _ORDER]
        self.bases = [segment[0] for segment in segments]
        self.selectors = [segment[2] for segment in segments]
        code = segments[1]
        self.bits = 64 if code[_L] else 32 if code[_DB] else 16

    def store(self) -> None:
        """Give the CPU these registers, segments excepted."""
        fcntl.ioctl(self._cpu, _SET_REGS, self.regs)
        fcntl.ioctl(self._cpu, _SET_XSAVE, self._area)

    @property
    def xsave(self) -> XSave:
        """Where everything but the general registers is."""
        return self._xsave

    def run(self) -> int:
        """Let the guest run until KVM needs something; return what (EXIT_…)."""
        while True:
            try:
                fcntl.ioctl(self._cpu, _RUN, 0)
                return int.from_bytes(self.run_area[8:12], "little")
            except InterruptedError:  # a signal; a KeyboardInterrupt has been raised instead
                continue
