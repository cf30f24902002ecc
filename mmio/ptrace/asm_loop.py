"""Machine code for the round trip from one access of a thread to its next.

Between two accesses a tracer makes six system calls: set the registers, let the thread go, wait, ask for the signal,
for the registers and for the code at the instruction pointer. Each takes the kernel less time than ctypes takes to call
it. So they are made by a few instructions here, and Python hears again when there is something to decide: the next
access, or anything else.

The listing is position-independent; it works on the words of one `AsmLoop`:

    0 the thread  1 the TID to wait for, or 0  2 its registers  3 its siginfo  4 wait status  5 what wait4 returned
    6 the eight bytes at the instruction pointer, 0 where not all can be read
"""

import ctypes
from ctypes import addressof, c_int64, c_long, c_uint64, c_void_p
from functools import cache
from typing import Any, Final

from mmio.linux import libc, listing

WENT_ON: Final = 0
"""The thread runs; no wait was made. A negative result is an error: mostly the thread has been killed."""
ACCESS: Final = 1
"""The thread has stopped at SIGSEGV; its registers, the signal and the code are there."""
CHANGED: Final = 2
"""The thread has changed otherwise, or the waiting was interrupted: see `AsmLoop.change`."""

LISTING: Final = """
go on: rdi the words of `AsmLoop`.
    53                       push rbx
    4889fb                   mov rbx,rdi
    bf0d000000               mov edi,0Dh                      PTRACE_SETREGS
    4c8b5310                 mov r10,[rbx+10h]
    e88f000000               call 00000000000000A1h
    0f8580000000             jne 0000000000000098h
    bf07000000               mov edi,7                        PTRACE_CONT
    4531d2                   xor r10d,r10d
    e87c000000               call 00000000000000A1h
    7571                     jne short 0000000000000098h
    488b7b08                 mov rdi,[rbx+8]                  whom to wait for
    4885ff                   test rdi,rdi
    7468                     je short 0000000000000098h
    488d7320                 lea rsi,[rbx+20h]
    ba00000040               mov edx,40000000h                __WALL
    4531d2                   xor r10d,r10d
    b83d000000               mov eax,3Dh                      wait4
    0f05                     syscall
    48894328                 mov [rbx+28h],rax
    483b03                   cmp rax,[rbx]
    754e                     jne short 000000000000009Ah
    817b207f0b0000           cmp dword ptr [rbx+20h],0B7Fh    stopped at SIGSEGV
    7545                     jne short 000000000000009Ah
    eb04                     jmp short 000000000000005Bh
fetch: rdi the same.
    53                       push rbx
    4889fb                   mov rbx,rdi
get:
    bf02420000               mov edi,4202h                    PTRACE_GETSIGINFO
    4c8b5318                 mov r10,[rbx+18h]
    e838000000               call 00000000000000A1h
    752d                     jne short 0000000000000098h
    bf0c000000               mov edi,0Ch                      PTRACE_GETREGS
    4c8b5310                 mov r10,[rbx+10h]
    e828000000               call 00000000000000A1h
    751d                     jne short 0000000000000098h
    498b9280000000           mov rdx,[r10+80h]                rip
    4c8d5330                 lea r10,[rbx+30h]
    498902                   mov [r10],rax                    zero
    bf02000000               mov edi,2                        PTRACE_PEEKDATA, which may fail
    e810000000               call 00000000000000A3h
    b801000000               mov eax,1
out:
    5b                       pop rbx
    c3                       ret
changed:
    b802000000               mov eax,2
    5b                       pop rbx
    c3                       ret
request: edi which, r10 data; ZF set when it is done.
    31d2                     xor edx,edx
request at: rdx the address.
    488b33                   mov rsi,[rbx]
    b865000000               mov eax,65h                      ptrace
    0f05                     syscall
    4885c0                   test rax,rax
    c3                       ret
"""


class AsmLoop:
    """The words for one thread.

    Args:
        pid: the thread.
        regs: the address of its registers, as PTRACE_GETREGS has them.
        info: the address of its siginfo.

    Attributes:
        wait, leave: arguments for `go_on`, to wait for the thread's next stop or not to.
        code: the eight bytes at the instruction pointer of the last access, in `code.value`; 0 where not all can be
            read.
    """

    def __init__(self, pid: int, regs: int, info: int) -> None:
        self._waiting = (c_int64 * 7)(pid, pid, regs, info)
        self._leaving = (c_int64 * 7)(pid, 0, regs, info)
        self.wait = c_void_p(addressof(self._waiting))
        self.leave = c_void_p(addressof(self._leaving))
        self.code = c_uint64.from_address(addressof(self._waiting) + 6 * 8)

    @property
    def change(self) -> tuple[int, int]:
        """The thread that has changed and its wait status; `(0, 0)` when a signal interrupted the wait."""
        return (self._waiting[5], self._waiting[4]) if self._waiting[5] > 0 else (0, 0)


@cache
def functions() -> tuple[Any, Any]:
    """Return `go_on` and `fetch`, which take `wait` or `leave`; other threads may run while the first one waits."""
    labels, lines = listing.read(LISTING)
    address = libc.map_code(b"".join(line.code for line in lines))
    go_on = ctypes.CFUNCTYPE(c_long)(address + labels["go on"])
    fetch = ctypes.PYFUNCTYPE(c_long)(address + labels["fetch"])
    return go_on, fetch
