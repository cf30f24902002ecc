"""The machine code between the kernel and Python.

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

from mmio.linux import libc
from mmio.linux.libc import LIBC, PAGE
from mmio.linux.listing import Line, read

RESUME: Final = 0
PASS_ON: Final = 1

VERDICT: Final = 24
"""Index of the verdict in `Frame.regs`."""
THREAD: Final = 25
"""Index in `Frame.regs` of the thread an exception is for."""
CODE: Final = 26
"""Index in `Frame.regs` of the eight bytes at rip, zero when the page ends before them."""

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
OLD_SIGFPE: Final = 32
OLD_SIGSEGV: Final = 64
"""Where `sigaction` has left what was there before."""

_LISTING: Final = """
entry: rdi signal number, rsi siginfo, rdx ucontext. No register need be kept: the kernel restores them all.
    4883ec08                 sub rsp,8
    4889d3                   mov rbx,rdx
    4989f4                   mov r12,rsi
    4189fd                   mov r13d,edi
    4c8d3dfc0f0000           lea r15,[1010h]                   COPY_HANDLER
    488b83a8000000           mov rax,[rbx+0A8h]                rip
    482b053e100000           sub rax,[1060h]                   SLOTS_START
    483b053f100000           cmp rax,[1068h]                   its size
    725f                     jb short 000000000000008Ah        ours
    83ff0b                   cmp edi,0Bh                       SIGSEGV
    0f8583010000             jne 00000000000001B7h             pass on
    f683c000000010           test byte ptr [rbx+0C0h],10h      error code: instruction fetch
    0f8576010000             jne 00000000000001B7h             pass on
    8b4608                   mov eax,[rsi+8]                   si_code
    83f802                   cmp eax,2                         SEGV_ACCERR
    7422                     je short 000000000000006Bh        page
    4c8d3db80f0000           lea r15,[1008h]                   PORT_HANDLER
    3d80000000               cmp eax,80h                       SI_KERNEL
    0f855c010000             jne 00000000000001B7h             pass on
    48833d0d10000000         cmp qword ptr [1070h],0           PORTS
    0f844e010000             je 00000000000001B7h              pass on
    eb1f                     jmp short 000000000000008Ah       ours
page:
    4c8d3d8e0f0000           lea r15,[1000h]                   PAGE_HANDLER
    488b4610                 mov rax,[rsi+10h]                 si_addr
    482b05d30f0000           sub rax,[1050h]                   TRAPS_START
    483b05d40f0000           cmp rax,[1058h]                   its size
    0f832d010000             jae 00000000000001B7h             pass on
ours:
    488b8ba8000000           mov rcx,[rbx+0A8h]
    4889ca                   mov rdx,rcx
    48c1ea2f                 shr rdx,2Fh                       not an address of the program's
    0f8519010000             jne 00000000000001B7h             pass on
    f048ff05fa0f0000         lock inc qword ptr [10A0h]        INSIDE
    48833dfa0f000000         cmp qword ptr [10A8h],0           OWNER
    0f8585010000             jne 0000000000000239h             gate
enter:
    ff155e0f0000             call qword ptr [1018h]            __errno_location
    448b30                   mov r14d,[rax]
    31c0                     xor eax,eax
    488983e8000000           mov [rbx+0E8h],rax                VERDICT = RESUME
    488b8ba8000000           mov rcx,[rbx+0A8h]
    89ca                     mov edx,ecx
    81e2ff0f0000             and edx,0FFFh                     where in its page
    81faf80f0000             cmp edx,0FF8h                     the last place for eight bytes
    7703                     ja short 00000000000000E0h        unread
    488b01                   mov rax,[rcx]                     the code there
unread:
    488983f8000000           mov [rbx+0F8h],rax                CODE
    488baba8000000           mov rbp,[rbx+0A8h]                rip, to compare with afterwards
    4889df                   mov rdi,rbx
    4c89e6                   mov rsi,r12
    41ff17                   call qword ptr [r15]              handler(ucontext, siginfo)
    4883bbe800000000         cmp qword ptr [rbx+0E8h],0        VERDICT
    756d                     jne short 000000000000016Eh       answered
    483baba8000000           cmp rbp,[rbx+0A8h]
    7564                     jne short 000000000000016Eh       answered
failed: rip has not moved, so the handler has raised something, or could not even begin.
    ff15100f0000             call qword ptr [1020h]            PyGILState_Ensure
    89c5                     mov ebp,eax
    48833d760f000000         cmp qword ptr [1090h],0           RAISED
    7522                     jne short 000000000000013Eh       raised
    ff155e0f0000             call qword ptr [1080h]            Py_GetRecursionLimit
    4889056f0f0000           mov [1098h],rax                   LIMIT
    89c7                     mov edi,eax
    81c790010000             add edi,190h                      room for the handler
    7905                     jns short 0000000000000138h       in range
    bfffffff7f               mov edi,7FFFFFFFh                 the highest limit
in range:
    ff154a0f0000             call qword ptr [1088h]            Py_SetRecursionLimit
raised:
    48ff054b0f0000           inc qword ptr [1090h]             RAISED
    4889df                   mov rdi,rbx
    4c89fe                   mov rsi,r15
    ff15270f0000             call qword ptr [1078h]            FAILURE_HANDLER(ucontext, which handler)
    48ff0d380f0000           dec qword ptr [1090h]             RAISED
    750c                     jne short 0000000000000166h       lowered
    8b3d380f0000             mov edi,[1098h]                   LIMIT
    ff15220f0000             call qword ptr [1088h]            Py_SetRecursionLimit
lowered:
    89ef                     mov edi,ebp
    ff15ba0e0000             call qword ptr [1028h]            PyGILState_Release
answered:
    4c8bbbe8000000           mov r15,[rbx+0E8h]                VERDICT
    4983ff01                 cmp r15,1
    7620                     jbe short 000000000000019Bh       settle
    ff159f0e0000             call qword ptr [1020h]            PyGILState_Ensure
    89c5                     mov ebp,eax
    488bbbf0000000           mov rdi,[rbx+0F0h]                THREAD
    4c89fe                   mov rsi,r15
    ff159d0e0000             call qword ptr [1030h]            PyThreadState_SetAsyncExc
    89ef                     mov edi,ebp
    ff158d0e0000             call qword ptr [1028h]            PyGILState_Release
settle:
    f048ff0dfd0e0000         lock dec qword ptr [10A0h]        INSIDE
    ff156f0e0000             call qword ptr [1018h]            __errno_location
    448930                   mov [rax],r14d
    4983ff01                 cmp r15,1                         PASS_ON
    7405                     je short 00000000000001B7h        pass on
done:
    4883c408                 add rsp,8
    c3                       ret
pass on:
    488d2d420f0000           lea rbp,[1100h]                   OLD_SIGFPE
    488d053b100000           lea rax,[1200h]                   OLD_SIGSEGV
    4183fd0b                 cmp r13d,0Bh
    480f44e8                 cmove rbp,rax
    4c8b7d00                 mov r15,[rbp]
    4983ff01                 cmp r15,1
    7632                     jbe short 0000000000000209h       SIG_DFL or SIG_IGN
    bf02000000               mov edi,2                         SIG_SETMASK
    488db328010000           lea rsi,[rbx+128h]                that of the interrupted code
    31d2                     xor edx,edx
    ff15550e0000             call qword ptr [1040h]            pthread_sigmask
    31ff                     xor edi,edi                       SIG_BLOCK
    488d7508                 lea rsi,[rbp+8]                   what it wants blocked
    31d2                     xor edx,edx
    ff15470e0000             call qword ptr [1040h]            pthread_sigmask
    4489ef                   mov edi,r13d
    4c89e6                   mov rsi,r12
    4889da                   mov rdx,rbx
    4883c408                 add rsp,8
    41ffe7                   jmp r15
SIG_DFL or SIG_IGN: a fault comes again and kills, once we are gone; a signal that was sent has to be sent again.
    458b742408               mov r14d,[r12+8]                  si_code, positive for a fault
    4585f6                   test r14d,r14d
    7f05                     jg short 0000000000000218h        reinstall
    4d85ff                   test r15,r15                      SIG_IGN
    759a                     jne short 00000000000001B2h       done
reinstall:
    4489ef                   mov edi,r13d
    4889ee                   mov rsi,rbp
    31d2                     xor edx,edx
    ff15120e0000             call qword ptr [1038h]            sigaction
    4585f6                   test r14d,r14d
    7f87                     jg short 00000000000001B2h        done
    4489ef                   mov edi,r13d
    ff15140e0000             call qword ptr [1048h]            raise
    e979ffffff               jmp 00000000000001B2h             done
gate: Python finalizes, or is about to. It is entered by the thread that does so, and by one that has the GIL.
    64488b042500000000       mov rax,fs:[0]                    the thread, as pthread_self has it
    483b055f0e0000           cmp rax,[10A8h]                   OWNER
    751b                     jne short 0000000000000266h       another
    48833d5d0e000000         cmp qword ptr [10B0h],0           GONE
    0f845bfeffff             je 00000000000000B4h              enter
    f048ff0d3f0e0000         lock dec qword ptr [10A0h]        INSIDE
    e951ffffff               jmp 00000000000001B7h             pass on
other:
    ff154c0e0000             call qword ptr [10B8h]            PyGILState_Check
    89c5                     mov ebp,eax
    e850000000               call 00000000000002C3h            ending
    753d                     jne short 00000000000002B2h       park
    85ed                     test ebp,ebp
    0f8537feffff             jne 00000000000000B4h             enter
    f048ff0d1b0e0000         lock dec qword ptr [10A0h]        INSIDE
    bd14000000               mov ebp,14h                       times 10 ms, for what still runs may wait for this thread
wait:
    b823000000               mov eax,23h                       nanosleep
    488d3d320e0000           lea rdi,[10C8h]                   PAUSE
    31f6                     xor esi,esi
    0f05                     syscall
    e824000000               call 00000000000002C3h            ending
    7519                     jne short 00000000000002BAh       parked
    ffcd                     dec ebp
    75e5                     jne short 000000000000028Ah       wait
    f048ff05f30d0000         lock inc qword ptr [10A0h]        INSIDE
    e902feffff               jmp 00000000000000B4h             enter
park:
    f048ff0de60d0000         lock dec qword ptr [10A0h]        INSIDE
parked:
    b822000000               mov eax,22h                       pause
    0f05                     syscall
    ebf7                     jmp short 00000000000002BAh       parked
ending: ZF is clear when no other thread can have the GIL any more.
    48833de50d000000         cmp qword ptr [10B0h],0           GONE
    7510                     jne short 00000000000002DDh       ended
    4883ec08                 sub rsp,8
    ff15e90d0000             call qword ptr [10C0h]            Py_IsFinalizing
    4883c408                 add rsp,8
    85c0                     test eax,eax
ended:
    c3                       ret
gone: called by Python when nothing is left of it.
    48c705c70d000001000000   mov qword ptr [10B0h],1           GONE
    c3                       ret
return address: where a function that libffi calls returns to.
    488b0424                 mov rax,[rsp]
    c3                       ret
cpuid: edi leaf, esi sub-leaf, rdx four words to fill.
    53                       push rbx
    4989d0                   mov r8,rdx
    89f8                     mov eax,edi
    89f1                     mov ecx,esi
    0fa2                     cpuid
    418900                   mov [r8],eax
    41895804                 mov [r8+4],ebx
    41894808                 mov [r8+8],ecx
    4189500c                 mov [r8+0Ch],edx
    5b                       pop rbx
    c3                       ret
control words: rdi two words to fill with MXCSR and the x87 control word.
    0fae1f                   stmxcsr [rdi]
    d97f04                   fnstcw [rdi+4]
    c3                       ret
"""


def listing() -> tuple[dict[str, int], list[Line]]:
    """Return the labels with their offsets, and the instructions."""
    return read(_LISTING)


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
        functions = [(LIBC, "__errno_location")]
        functions += [(ctypes.pythonapi, f"PyGILState_{name}") for name in ("Ensure", "Release")]
        functions += [(ctypes.pythonapi, "PyThreadState_SetAsyncExc")]
        functions += [(LIBC, name) for name in ("sigaction", "pthread_sigmask", "raise")]
        for index, (library, name) in enumerate(functions, _FUNCTIONS):
            self.words[index] = libc.address_of(getattr(library, name))
        for index, name in enumerate(("Py_GetRecursionLimit", "Py_SetRecursionLimit"), _GET_LIMIT):
            self.words[index] = libc.address_of(getattr(ctypes.pythonapi, name))
        finalizing = "Py_IsFinalizing" if sys.version_info >= (3, 13) else "_Py_IsFinalizing"
        for index, word in enumerate(("PyGILState_Check", finalizing), _PYTHON):
            self.words[index] = libc.address_of(getattr(ctypes.pythonapi, word))
        self.words[_PAUSE + 1] = 10_000_000  # its nanoseconds
        _unwind_table(self.address, len(code))

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
