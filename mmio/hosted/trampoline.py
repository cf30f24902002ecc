"""Machine code between a hosted program and Python.

The program has a C library of its own, and with it thread-local storage of its own, which the FS base points to. So
each crossing from one side to the other changes the FS base; and since C code of Python's may touch its storage at
any time, only the few instructions here ever runs with the wrong one. That takes RDFSBASE and WRFSBASE, which
Linux lets programs use since 5.9.

- `enter` is called through ctypes. It keeps the stack pointer, and goes into the program as if a signal handler
  returned to it.
- `signal` is the handler of every signal that concerns us. It runs on a stack of its own (the program's may be small,
  or broken) with all signals blocked. Which Python function it calls is a matter of the signal: an access (SIGSEGV), a
  system call (SIGSYS), any other. The function finds the first bytes of the instruction and the signal's code in words
  of the ucontext that the kernel leaves alone, and answers in another: to continue in the program, or to leave it.
- To *leave* the program is to return from `enter`. The signal's frame and the program's stack are forgotten, as by
  longjmp.
- A stub (`mmio/patching`) comes in without a signal: `stub_entry.py` has that way, `direct_stubs.py` the shorter one of
  an access whose device is called directly.
- `gate` makes a system call in the program's name and then continues at the address stored below its stack. The red
  zone of 128 bytes is skipped. (So a blocking call is made by the program, and its own signal handlers interrupt it.)

The code is followed, one page on, by the words it uses.
"""

import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_uint64, c_void_p
from typing import Any, Final

from mmio.hosted.direct_stubs import DIRECT_STUBS
from mmio.hosted.stub_entry import STUBS
from mmio.linux import libc, listing
from mmio.linux.libc import PAGE
from mmio.linux.stub_functions import StubFunctions

VERDICT: Final = 24
"""Index in `Frame.regs` of the answer: not zero to leave the program."""
CODE: Final = 26
"""Index of the eight bytes at rip when the signal is SIGSEGV; zero when the page ends before them."""
PROGRAM_FS: Final = 27
"""Index of the program's FS base."""
CAUSE: Final = 28
"""Index of the signal's si_code."""
COPY: Final = 30
"""Index of the address at which a stub's copy has faulted, zero when it was the instruction itself."""
STUB: Final = 31
"""Index, in the frame of a stub, of the address where its registers are on the program's stack."""

_EVERY_SIGNAL: Final = (1 << 64) - 1
_DEFAULT_MXCSR: Final = 0x1F80  # as a process begins with it

# Words of the data page.
ACCESS: Final = 0
CALL: Final = 1
OTHER: Final = 2
CALLED: Final = 3
FEATURES: Final = 4
"""State components that a frame has room for. This word and the next ones are what each frame of the kernel has."""
XSAVE_SIZE: Final = 5
SOFTWARE: Final = 6
UC_FLAGS: Final = 9
SEGMENTS: Final = 10
XGETBV_1: Final = 11
"""Not zero where XGETBV tells which state components are in use."""
_RESTORER: Final = 12
_EVERY: Final = 13  # signals
_MXCSR: Final = 14
ONLY_STACK: Final = 15
"""The base of the signal stack of the program's thread while it has one thread; 0 while it may have several."""
DEVICE_CALL: Final = 16
"""The addresses of `device call` and of `can save` (mmio/linux/device_call.py)."""
CAN_SAVE: Final = 17
IN_DIRECT_CALL: Final = 16
"""Where at the base of a thread's signal stack a word is that is not zero while the thread calls a device directly."""
ARENAS: Final = 32
"""Addresses of the arenas of stubs, up to a zero."""
MOST_ARENAS: Final = 64

SIGNALS: Final = """
enter: rdi a ucontext, rsi the program's FS base, rdx the base of the thread's signal stack.
    53                       push rbx
    55                       push rbp
    4154                     push r12
    4155                     push r13
    4156                     push r14
    4157                     push r15
    488922                   mov [rdx],rsp                    Python's stack pointer
    f3480faec0               rdfsbase rax
    48894208                 mov [rdx+8],rax                  Python's FS base
    f3480faed6               wrfsbase rsi
    4889fc                   mov rsp,rdi
    b80f000000               mov eax,0Fh                      rt_sigreturn
    0f05                     syscall
signal: rdi its number, rsi siginfo, rdx ucontext. No register need be kept: the kernel restores them all.
    4883ec08                 sub rsp,8
    4889d3                   mov rbx,rdx
    31c0                     xor eax,eax
    48898318010000           mov [rbx+118h],rax               COPY
    483905c4100000           cmp [1100h],rax                  ARENAS
    0f85df000000             jne 0000000000000121h            translate
translated:
    f3480faec0               rdfsbase rax
    48898300010000           mov [rbx+100h],rax               PROGRAM_FS
    4889e0                   mov rax,rsp
    4825000080ff             and rax,0FFFFFFFFFF800000h       the base of the signal stack
    488b4008                 mov rax,[rax+8]                  Python's FS base
    f3480faed0               wrfsbase rax
    31c0                     xor eax,eax
    488983e8000000           mov [rbx+0E8h],rax               VERDICT
    48634e08                 movsxd rcx,[rsi+8]               si_code
    48898b08010000           mov [rbx+108h],rcx               CAUSE
    48398318010000           cmp [rbx+118h],rax               COPY: the code is known
    7507                     jne short 0000000000000084h      which
    488983f8000000           mov [rbx+0F8h],rax               CODE
which:
    4c8d3d7d0f0000           lea r15,[1008h]                  CALL
    83ff1f                   cmp edi,1Fh                      SIGSYS
    744e                     je short 00000000000000DEh       call
    4c8d3d790f0000           lea r15,[1010h]                  OTHER
    83ff0b                   cmp edi,0Bh                      SIGSEGV
    7542                     jne short 00000000000000DEh      call
    4c8d3d5d0f0000           lea r15,[1000h]                  ACCESS
    f683c000000010           test byte ptr [rbx+0C0h],10h     error code: instruction fetch
    7532                     jne short 00000000000000DEh      call
    4883bb1801000000         cmp qword ptr [rbx+118h],0       COPY
    7528                     jne short 00000000000000DEh      call
    488b8ba8000000           mov rcx,[rbx+0A8h]               rip
    4889c8                   mov rax,rcx
    48c1e82f                 shr rax,2Fh                      not an address of the program's
    7518                     jne short 00000000000000DEh      call
    89c8                     mov eax,ecx
    25ff0f0000               and eax,0FFFh                    where in its page
    3df80f0000               cmp eax,0FF8h                    the last place for eight bytes
    770a                     ja short 00000000000000DEh       call
    488b01                   mov rax,[rcx]                    the code there
    488983f8000000           mov [rbx+0F8h],rax               CODE
call:
    4889df                   mov rdi,rbx
    41ff17                   call qword ptr [r15]             function(ucontext, siginfo)
    4883bbe800000000         cmp qword ptr [rbx+0E8h],0       VERDICT
    7511                     jne short 00000000000000FFh      leave
resume:
    488b8300010000           mov rax,[rbx+100h]               PROGRAM_FS
    f3480faed0               wrfsbase rax
return:
    4883c408                 add rsp,8
    c3                       ret
leave:
    4881e4000080ff           and rsp,0FFFFFFFFFF800000h       the base of the signal stack
    488b2424                 mov rsp,[rsp]                    Python's stack pointer
    415f                     pop r15
    415e                     pop r14
    415d                     pop r13
    415c                     pop r12
    5d                       pop rbp
    5b                       pop rbx
    c3                       ret
restorer: where the handler returns to.
    b80f000000               mov eax,0Fh                      rt_sigreturn
    0f05                     syscall
gate: the address to continue at is on the stack.
    0f05                     syscall
    c28000                   ret 80h
"""

LISTING: Final = SIGNALS + STUBS + DIRECT_STUBS


class Crossing:
    """The code in memory.

    Attributes:
        handler, restorer: for struct sigaction.
        gate: where a system call is made in the program's name.
        labels: addresses of the code, by their names in the listing.
        from_stubs: the functions that stubs call.
        stored: where the stub of a plain store continues when it has stored the value.
        end: of the code.
        words: the data page, one unsigned 64-bit word each.
    """

    def __init__(self) -> None:
        labels, lines = listing.read(LISTING)
        code = b"".join(line.code for line in lines)
        start = libc.map_pages(2 * PAGE, libc.PROT_READ | libc.PROT_WRITE)
        ctypes.memmove(start, code, len(code))
        libc.protect(start, PAGE, libc.PROT_READ | libc.PROT_EXEC)
        self.handler, self.restorer, self.gate = (start + labels[name] for name in ("signal", "restorer", "gate"))
        self.labels = {name: start + offset for name, offset in labels.items()}
        any_other, store = self.labels["from a stub"], self.labels["from a store"]
        self.from_stubs = StubFunctions(any_other, store, any_other, store, any_other)
        self.stored, self.end = self.labels["stored"], start + len(code)
        self.words: Any = (c_uint64 * (PAGE // 8)).from_address(start + PAGE)
        self.words[_RESTORER], self.words[_EVERY], self.words[_MXCSR] = self.restorer, _EVERY_SIGNAL, _DEFAULT_MXCSR
        self._enter = CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)(start + labels["enter"])
        self._callbacks: list[Any] = []  # those before as well: a thread may be in one

    def handle(self, word: int, function: Callable[[int, int], None]) -> None:
        """Call a Python function with the addresses of ucontext and siginfo. It must not raise."""
        self._set(word, CFUNCTYPE(None, c_void_p, c_void_p)(function))

    def handle_calls(self, function: Callable[[int], None]) -> None:
        """Call a Python function with the address of a ucontext when a stub calls. It must not raise."""
        self._set(CALLED, CFUNCTYPE(None, c_void_p)(function))

    def _set(self, word: int, callback: Any) -> None:
        self._callbacks.append(callback)
        self.words[word] = libc.address_of(callback)

    def enter(self, context: int, fs_base: int, stack: int) -> None:
        """Run the program in this thread, until a handler says to leave it.

        Args:
            context: the address of a struct ucontext with its registers.
            fs_base: the program's.
            stack: where the thread's signal stack starts.
        """
        self._enter(context, fs_base, stack)
