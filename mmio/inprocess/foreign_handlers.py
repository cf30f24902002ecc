"""Watch whether this process has signal handlers other than Python's: only then does a direct call hold signals back.

Python's own handler only notes a signal. Any other one may access a device, which would enter Python at an arbitrary
point of it, or leave it by siglongjmp. To hold signals back takes two system calls, as long as the rest of the call.

A handler is installed by rt_sigaction(2), which the C library executes at one place. The first direct call patches that
place in the way in which instructions of drivers are patched (`mmio/patching/text.py`). It stays so, as any thread may
be there, which each change makes fault. The stub counts in one word: calls that are being made in the lower half, calls
that have begun in the upper half. The trampoline compares the word with what it was when the handlers were looked at
last. If it is another, the access is made by a frame, after which they are looked at again. A process that has another
handler when a device is first called directly keeps its C library as it is, and holds signals back.

Two cases remain. A handler may be installed by system calls of other code: where a loaded module contains the usual
instructions for it, signals are always held back; a module that is loaded later is not looked at. And a handler that is
installed while another thread is in a direct call may interrupt that call.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from ctypes import addressof, c_uint64
from typing import Final

from mmio.inprocess import signals
from mmio.inprocess.undisturbed import undisturbed
from mmio.linux.libc import LIBC, PROT_EXEC, address_of
from mmio.linux.proc_maps import Mapping, mappings
from mmio.linux.process_memory import read_here
from mmio.linux.trampoline import ACTIONS, HANDLER_AT, HELD, NO_HANDLER_AT, trampoline
from mmio.patching import text
from mmio.patching.memory import NearMemory
from mmio.patching.stub import CODE

_INSTRUCTIONS: Final = bytes.fromhex("b80d000000 0f05")  # mov eax,0Dh; syscall
_ORIGINAL: Final = _INSTRUCTIONS[:5]  # which the jump replaces
_BEING_MADE: Final = (1 << 32) - 1  # the half of the word
_NO_COUNT: Final = (1 << 64) - 1
_LOOKS: Final = 4  # while handlers are being installed
_PART: Final = 1 << 20  # of a module's code that is searched at once


class ForeignHandlers:
    """The signal handlers of this process that are not Python's.

    Args:
        memory: for the stub.
    """

    def __init__(self, memory: NearMemory) -> None:
        self._memory = memory
        self._searched = False
        self._address = self._slot = 0  # of the instruction, and of its stub
        self._count = c_uint64()
        self._jump = b""

    def watch(self) -> None:
        """Count calls of rt_sigaction(2) from now on. Where that is not possible, signals are always held back.

        As long as there is another handler nothing is done, for signals have to be held back anyway. A thread that
        meets HLT in place of the instruction meanwhile is to be sent to `stub_of`.
        """
        if not self._stands and not signals.foreign_handler():
            self._patch()

    def _patch(self) -> None:
        if not self._searched:
            self._searched = True
            self._prepare()
        if self._slot and read_here(self._address, len(_ORIGINAL)) == _ORIGINAL:
            with suppress(OSError):
                text.change(self._address, self._jump, memory_file=self._memory.memory_file)
                words = trampoline().words
                words[NO_HANDLER_AT] = words[HANDLER_AT] = _NO_COUNT  # handlers are to be looked at
                words[ACTIONS] = addressof(self._count)

    def stub_of(self, address: int) -> int | None:
        """Return where a thread continues that has met HLT at an address; None if that is none of this."""
        return self._slot if self._slot and address == self._address else None

    def look(self) -> None:
        """Look at the handlers, if there may be others than before."""
        words = trampoline().words
        if self._slot and self._count.value not in (words[NO_HANDLER_AT], words[HANDLER_AT]):
            undisturbed(self._look)  # what a signal handler raised would be lost in the C library's calls of Python

    def _look(self) -> None:
        words = trampoline().words
        for _ in range(_LOOKS):
            count = self._count.value
            found = bool(count & _BEING_MADE) or not self._stands or signals.foreign_handler()
            if not found or words[HELD] == (held := signals.held()):
                words[HANDLER_AT if found else NO_HANDLER_AT] = count
                words[NO_HANDLER_AT if found else HANDLER_AT] = _NO_COUNT
                return
            with suppress(RuntimeError):  # another handler is in front, and its mask counts
                signals.install()  # which is one more call
            words[HELD] = held

    @property
    def _stands(self) -> bool:
        return self._slot != 0 and read_here(self._address, len(self._jump)) == self._jump

    def _prepare(self) -> None:
        """Make the stub, if the C library's place is the only one."""
        library = address_of(LIBC.sigaction)
        found = [(place, module) for module in _modules() for place in _places(module)]
        if len(found) != 1:
            return
        [(address, module)] = found
        if not module.start <= library < module.end:
            return
        slot = self._memory.slot(address)
        if slot is None:
            return
        with suppress(OSError):
            text.write(slot, _stub(slot, address), self._memory.memory_file)
            self._address, self._count = address, c_uint64.from_address(slot + CODE)
            self._count.value = 0
            self._jump = b"\xe9" + struct.pack("<i", slot - address - len(_ORIGINAL))
            self._slot = slot


def _stub(slot: int, address: int) -> bytes:
    """Return the code of the stub in a slot, for the instruction at an address. Its first word is the count."""
    made = bytearray()

    def add(code: str, target: int | None = None) -> None:
        made.extend(bytes.fromhex(code))
        if target is not None:
            made.extend(struct.pack("<i", target - (slot + len(made) + 4)))

    word, number = slot + CODE, _ORIGINAL.hex()
    add("4885f6 7426")  # test rsi,rsi; je to the end: nothing is installed
    add("48b80100000001000000")  # mov rax,100000001h
    add("f0480105", word)  # lock add [...],rax
    add(f"{number} 0f05")  # mov eax,0Dh; syscall
    add("f048ff0d", word)  # lock dec qword ptr [...]
    add("e9", address + len(_INSTRUCTIONS))
    add(number)
    add("e9", address + len(_ORIGINAL))
    return bytes(made)


def _modules() -> Iterator[Mapping]:
    """Yield the code of loaded files, without the loader's: it has a handler for LD_PROFILE, which only counts."""
    for mapping in mappings(os.getpid()):
        if mapping.protection & PROT_EXEC and mapping.path.startswith("/") and "/ld-linux" not in mapping.path:
            yield mapping


def _places(module: Mapping) -> Iterator[int]:
    """Yield the addresses in a module at which rt_sigaction(2) is executed."""
    for start in range(module.start, module.end, _PART):
        code = read_here(start, min(_PART + len(_INSTRUCTIONS) - 1, module.end - start))
        at = code.find(_INSTRUCTIONS)
        while at >= 0:
            yield start + at
            at = code.find(_INSTRUCTIONS, at + 1)
