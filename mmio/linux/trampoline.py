"""Machine code between the kernel and Python.

A SIGSEGV handler written in Python alone would swallow every crash of the process: a wild pointer, a broken
interpreter, a stack of handlers inside handlers. So the first look at a signal is taken here, by instructions that
need no interpreter: a fault elsewhere goes to the handler that was there before, as the kernel gave it. A fault in a
trapped range goes to one of three Python handlers: a page that traps, an IO port, or a copy of an instruction that runs
out of line. errno is kept over the call, as a signal handler must.

A Python handler finds the first bytes of the instruction in `CODE`, one of several words of the ucontext that the
kernel leaves alone. It answers through two others:

- `VERDICT`: `RESUME` (continue with the registers in the ucontext), `PASS_ON` (to the earlier handler after all), or
  the address of an exception class.
- `THREAD`: the thread to raise that exception in (see `unwind.py`). It must happen here, after the last bytecode of the
  handler has run: the handler's own bytecode would otherwise be the first to receive the exception.

A handler that leaves both VERDICT and the instruction pointer as they were has failed: it raised an exception, or
Python's recursion limit kept it from beginning. Then a fourth Python function is called, the failure handler, with a
recursion limit 400 calls higher: a RecursionError cannot be handled at the limit.

A thread that enters Python while the interpreter finalizes is ended by it in the middle of the driver, or crashes. So
`OWNER` names the one thread that may enter then. All others wait at the gate: for a while as long as the owner may be
waiting for them, and for good once the interpreter finalizes (`mmio/inprocess/finalization.py`).

The code is followed, one page on, by the words it uses. Both live as long as the process: a thread may be in there at
any time.
"""

import ctypes
import struct
import sys
from ctypes import c_char, c_int, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import Final

from mmio.linux import async_exception, libc
from mmio.linux.direct_stubs import DIRECT_STUBS
from mmio.linux.libc import LIBC, PAGE
from mmio.linux.listing import Line, read
from mmio.linux.signal_entry import SIGNALS
from mmio.linux.stub_entry import STUBS
from mmio.linux.stub_functions import StubFunctions

RESUME: Final = 0
PASS_ON: Final = 1

VERDICT: Final = 24
"""Index of the verdict in `Frame.regs`."""
THREAD: Final = 25
"""Index in `Frame.regs` of the thread an exception is for."""
CODE: Final = 26
"""Index in `Frame.regs` of the eight bytes at rip, zero when the page ends before them."""
STUB: Final = 27
"""Index in `Frame.regs` of where a stub's call has left its return address, zero in the frame of a signal."""
COPY: Final = 28
"""Index in `Frame.regs` of the address at which a stub's copy has faulted, zero when it was the instruction itself."""

# Words of the data page.
PAGE_HANDLER: Final = 0
PORT_HANDLER: Final = 1
COPY_HANDLER: Final = 2
_FUNCTIONS: Final = 3
TRAPS_START: Final = 10
"""Where the lowest trapping page starts, followed by how many bytes there are to the end of the highest."""
SLOTS_START: Final = 12
"""Where the out-of-line slots of this process start, followed by the size of that range."""
PORTS: Final = 14
"""Not zero while IO ports are mapped."""
FAILURE_HANDLER: Final = 15
_GET_LIMIT: Final = 16  # Py_GetRecursionLimit, followed by Py_SetRecursionLimit
RAISED: Final = 18
"""How many threads are in the failure handler, for which the recursion limit is raised."""
LIMIT: Final = 19
"""The recursion limit to go back to."""
INSIDE: Final = 20
"""Number of threads in the handlers, those included that have ended there."""
OWNER: Final = 21
"""Thread that alone may still enter Python, as `threading.get_ident` has it; 0 for all."""
_PYTHON: Final = 23  # PyGILState_Check, followed by Py_IsFinalizing; the word before is GONE
_PAUSE: Final = 25  # how long a thread sleeps at the gate, a struct timespec
STUB_HANDLER: Final = 96
HELD: Final = 97
"""Signals that are blocked while a handler runs that a stub has called."""
RESTORER: Final = 98
"""Where a signal handler returns to. This word and the next ones are what the kernel puts into each frame."""
SEGMENTS: Final = 99
UC_FLAGS: Final = 100
FEATURES: Final = 101
"""State components that a frame has room for (XFEATURES)."""
XSAVE_SIZE: Final = 102
"""Bytes of the XSAVE area of a frame, with the word that marks its end."""
SOFTWARE: Final = 103
"""Three words of the area that are for software (struct _fpx_sw_bytes)."""
_MXCSR: Final = 109
XGETBV_1: Final = 110
"""Not zero where XGETBV tells which state components are in use."""
ARENAS: Final = 128
"""Addresses of the arenas of stubs (mmio/patching), up to a zero."""
MOST_ARENAS: Final = 64
DEVICE_CALL: Final = 200
"""The addresses of `device call` and of `can save` (mmio/linux/device_call.py)."""
CAN_SAVE: Final = 201
ACTIONS: Final = 202
"""The address of a count of signal actions (mmio/inprocess/foreign_handlers.py), followed by what it was when handlers
have been looked at: NO_HANDLER_AT where no signal has to be held back, HANDLER_AT where signals have to be."""
NO_HANDLER_AT: Final = 203
HANDLER_AT: Final = 204
NO_ACTIONS: Final = 205
"""Zero: the count as long as there is none."""
OLD_SIGFPE: Final = 32
OLD_SIGSEGV: Final = 64
"""Where `sigaction` has left what was there before."""


def listing() -> tuple[dict[str, int], list[Line]]:
    """Return the labels with their offsets, and the instructions."""
    return read(SIGNALS + STUBS + DIRECT_STUBS)


class Trampoline:
    """The code in memory, ready to be a signal's handler.

    Attributes:
        address: of the handler.
        words: the data page, one unsigned 64-bit word each.
    """

    def __init__(self) -> None:
        self._labels, lines = listing()
        code = b"".join(line[1] for line in lines)
        self.address = libc.map_pages(2 * PAGE, libc.PROT_READ | libc.PROT_WRITE)
        ctypes.memmove(self.address, code, len(code))
        libc.protect(self.address, PAGE, libc.PROT_READ | libc.PROT_EXEC)
        self.words = (c_uint64 * (PAGE // 8)).from_address(self.address + PAGE)
        addresses = [libc.address_of(getattr(LIBC, "__errno_location"))]  # a name of this class otherwise
        addresses += [
            libc.address_of(getattr(ctypes.pythonapi, f"PyGILState_{name}")) for name in ("Ensure", "Release")
        ]
        addresses += [async_exception.sender()]
        addresses += [libc.address_of(getattr(LIBC, name)) for name in ("sigaction", "pthread_sigmask", "raise")]
        for index, address in enumerate(addresses, _FUNCTIONS):
            self.words[index] = address
        for index, name in enumerate(("Py_GetRecursionLimit", "Py_SetRecursionLimit"), _GET_LIMIT):
            self.words[index] = libc.address_of(getattr(ctypes.pythonapi, name))
        finalizing = "Py_IsFinalizing" if sys.version_info >= (3, 13) else "_Py_IsFinalizing"
        for index, word in enumerate(("PyGILState_Check", finalizing), _PYTHON):
            self.words[index] = libc.address_of(getattr(ctypes.pythonapi, word))
        self.words[_PAUSE + 1] = 10_000_000  # its nanoseconds
        self.words[_MXCSR] = 0x1F80  # as a process begins with it
        self.words[ACTIONS], self.words[NO_HANDLER_AT] = self.word_address(NO_ACTIONS), (1 << 64) - 1
        # A thread that Python ends while it is in a direct call is unwound up to there: nothing of the driver's is.
        _unwind_table(self.address, self._labels["direct wide store"])

    def word_address(self, index: int) -> int:
        """Return the address of a word of the data page."""
        return self.address + PAGE + 8 * index

    def close_gate(self, owner: int) -> None:
        """Admit only one thread to Python from now on, until nothing is left of the interpreter; then none."""
        self.words[OWNER] = owner
        ctypes.pythonapi.Py_AtExit(c_void_p(self._label("gone")))

    def ffi_return(self) -> int:
        """Return the address in libffi to which every function called through ctypes returns."""
        return int(ctypes.CFUNCTYPE(c_uint64)(self._label("return address"))())

    def cpuid(self, leaf: int, subleaf: int = 0) -> tuple[int, int, int, int]:
        """Execute CPUID; return eax, ebx, ecx, edx."""
        words = (c_uint32 * 4)()
        function = ctypes.CFUNCTYPE(None, c_int, c_int, c_void_p)(self._label("cpuid"))
        function(leaf, subleaf, ctypes.addressof(words))
        return words[0], words[1], words[2], words[3]

    def control_words(self) -> tuple[int, int]:
        """Return MXCSR and the x87 control word of this thread."""
        words = (c_uint32 * 2)()
        ctypes.CFUNCTYPE(None, c_void_p)(self._label("control words"))(ctypes.addressof(words))
        return words[0], words[1]

    @property
    def from_stubs(self) -> StubFunctions:
        """The functions that stubs call."""
        names = "direct load", "direct store", "direct wide load", "direct wide store", "from a stub"
        return StubFunctions(*map(self._label, names))

    def _label(self, name: str) -> int:
        return self.address + self._labels[name]


def _unwind_table(start: int, length: int) -> None:
    """Register unwind information for the code with libgcc. The table stays in memory: threads outlive Python.

    One common information entry and one frame description entry in DWARF's format: everywhere in the code the caller's
    frame begins 16 bytes up, and the return address lies just below that. (Not so in the very first and last
    instructions, and in the two small functions at the end, but nothing ever unwinds from there.)
    """

    def entry(body: bytes) -> bytes:
        body += bytes(-(len(body) + 4) % 8)  # DW_CFA_nop
        return struct.pack("<I", len(body)) + body

    # Version 1, augmentation "zR", code and data alignment 1 and -8, return address in column 16, absolute
    # pointers; DW_CFA_def_cfa rsp + 16, DW_CFA_offset: column 16 is at CFA - 1 * 8.
    common = entry(struct.pack("<IB3s5B", 0, 1, b"zR", 1, 0x78, 16, 1, 0) + bytes((0x0C, 7, 16, 0x90, 1)))
    described = entry(struct.pack("<IQQB", len(common) + 4, start, length, 0))
    content = common + described + bytes(4)
    table = (c_char * len(content)).from_buffer_copy(content)
    register = unwinder().__register_frame
    register.argtypes = (c_void_p,)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(table))
    register(ctypes.addressof(table))


@cache
def unwinder() -> ctypes.CDLL:
    """Return libgcc's unwinder, which every Linux with glibc has for thread cancellation."""
    return ctypes.CDLL("libgcc_s.so.1")


@cache
def trampoline() -> Trampoline:
    """Return the one entry of this process, made when first asked for."""
    return Trampoline()
