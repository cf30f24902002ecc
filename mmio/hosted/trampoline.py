"""The machine code between a hosted program and Python.

The program has a C library of its own, and with it thread-local storage of its own, which the FS base points to. So
each crossing from one side to the other changes the FS base; and since C code of Python's may touch its storage at
any time, nothing but the few instructions here ever runs with the wrong one. That takes RDFSBASE and WRFSBASE, which
Linux lets programs use since 5.9.

- `enter` is called through ctypes. It keeps the stack pointer, and goes into the program as if a signal handler
  returned to it.
- `signal` is the handler of every signal that concerns us. It runs on a stack of its own (the program's may be small,
  or broken) with all signals blocked. Which Python function it calls is a matter of the signal: an access (SIGSEGV), a
  system call (SIGSYS), any other. The function finds the first bytes of the instruction and the signal's code in words
  of the ucontext that the kernel leaves alone, and answers in another: to go on in the program, or to leave it.
- To *leave* the program is to return from `enter`. The signal's frame and the program's stack are forgotten, as by
  longjmp.
- `gate` makes a system call in the program's name and then goes on where the address below its stack says. The red zone
  of 128 bytes is stepped over. (So a blocking call is made by the program, and its own signal handlers interrupt it.)

The code is followed, one page on, by the words it uses.
"""

import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_uint64, c_void_p
from typing import Any, Final

from mmio.linux import libc, listing
from mmio.linux.libc import PAGE

VERDICT: Final = 24
"""Index in `Frame.regs` of the answer: not zero to leave the program."""
CODE: Final = 26
"""Index of the eight bytes at rip when the signal is SIGSEGV; zero when the page ends before them."""
PROGRAM_FS: Final = 27
"""Index of the program's FS base."""
CAUSE: Final = 28
"""Index of the signal's si_code."""

# Words of the data page.
ACCESS: Final = 0
CALL: Final = 1
OTHER: Final = 2

LISTING: Final = """
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
    f3480faec0               rdfsbase rax
    48898300010000           mov [rbx+100h],rax               PROGRAM_FS
    4889e0                   mov rax,rsp
    4825000080ff             and rax,0FFFFFFFFFF800000h       the base of the signal stack
    488b4008                 mov rax,[rax+8]                  Python's FS base
    f3480faed0               wrfsbase rax
    31c0                     xor eax,eax
    488983e8000000           mov [rbx+0E8h],rax               VERDICT
    488983f8000000           mov [rbx+0F8h],rax               CODE
    48634608                 movsxd rax,[rsi+8]               si_code
    48898308010000           mov [rbx+108h],rax               CAUSE
    4c8d3d9c0f0000           lea r15,[1008h]                  CALL
    83ff1f                   cmp edi,1Fh                      SIGSYS
    7444                     je short 00000000000000B5h
    4c8d3d980f0000           lea r15,[1010h]                  OTHER
    83ff0b                   cmp edi,0Bh                      SIGSEGV
    7538                     jne short 00000000000000B5h
    4c8d3d7c0f0000           lea r15,[1000h]                  ACCESS
    f683c000000010           test byte ptr [rbx+0C0h],10h     error code: instruction fetch
    7528                     jne short 00000000000000B5h
    488b8ba8000000           mov rcx,[rbx+0A8h]               rip
    4889c8                   mov rax,rcx
    48c1e82f                 shr rax,2Fh                      not an address of the program's
    7518                     jne short 00000000000000B5h
    89c8                     mov eax,ecx
    25ff0f0000               and eax,0FFFh                    where in its page
    3df80f0000               cmp eax,0FF8h                    the last place for eight bytes
    770a                     ja short 00000000000000B5h
    488b01                   mov rax,[rcx]                    the code there
    488983f8000000           mov [rbx+0F8h],rax               CODE
call:
    4889df                   mov rdi,rbx
    41ff17                   call qword ptr [r15]             function(ucontext, siginfo)
    4883bbe800000000         cmp qword ptr [rbx+0E8h],0       VERDICT
    7511                     jne short 00000000000000D6h
    488b8300010000           mov rax,[rbx+100h]               PROGRAM_FS
    f3480faed0               wrfsbase rax
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
gate: what to go on at is on the stack.
    0f05                     syscall
    c28000                   ret 80h
"""


class Crossing:
    """The code in memory.

    Attributes:
        handler, restorer: for struct sigaction.
        gate: where a system call is made in the program's name.
    """

    def __init__(self) -> None:
        labels, lines = listing.read(LISTING)
        code = b"".join(line.code for line in lines)
        start = libc.map_pages(2 * PAGE, libc.PROT_READ | libc.PROT_WRITE)
        ctypes.memmove(start, code, len(code))
        libc.protect(start, PAGE, libc.PROT_READ | libc.PROT_EXEC)
        self.handler, self.restorer, self.gate = (start + labels[name] for name in ("signal", "restorer", "gate"))
        self._words = (c_uint64 * (PAGE // 8)).from_address(start + PAGE)
        self._enter = CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)(start + labels["enter"])
        self._callbacks: list[Any] = []  # those before as well: a thread may be in one

    def handle(self, word: int, function: Callable[[int, int], None]) -> None:
        """Call a Python function with the addresses of ucontext and siginfo. It must not raise."""
        callback = CFUNCTYPE(None, c_void_p, c_void_p)(function)
        self._callbacks.append(callback)
        self._words[word] = libc.address_of(callback)

    def enter(self, context: int, fs_base: int, stack: int) -> None:
        """Run the program in this thread, until a handler says to leave it.

        Args:
            context: the address of a struct ucontext with its registers.
            fs_base: the program's.
            stack: where the thread's signal stack starts.
        """
        self._enter(context, fs_base, stack)
