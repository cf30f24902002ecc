"""The round trip from one access of a thread to its next, in one call.

Between two accesses a tracer makes five system calls: set the registers, let the thread go, wait, ask for the signal
and for the registers. Each takes the kernel less time than ctypes takes to call it. So they are made by a few
instructions here, and Python hears again when there is something to decide: the next access, or anything else.

The listing is position-independent; it works on the words of one `AsmLoop`:

    0 the thread  1 the TID to wait for, or 0  2 its registers  3 its siginfo  4 wait status  5 what wait4 returned
"""

import ctypes
from ctypes import addressof, c_int64, c_long, c_void_p
from functools import cache
from typing import Any, Final

from mmio.linux import libc, listing

WENT_ON: Final = 0
"""The thread runs; no wait was made. A negative result is an error: mostly the thread has been killed."""
ACCESS: Final = 1
"""The thread has stopped at SIGSEGV; its registers and the signal are there."""
CHANGED: Final = 2
"""The thread has changed otherwise, or the waiting was interrupted: see `AsmLoop.change`."""

LISTING: Final = """
go on: rdi the words of `AsmLoop`.
    53                       push rbx
    4889fb                   mov rbx,rdi
    bf0d000000               mov edi,0Dh                      PTRACE_SETREGS
    4c8b5310                 mov r10,[rbx+10h]
    e873000000               call 0000000000000085h
    7568                     jne short 000000000000007Ch
    bf07000000               mov edi,7                        PTRACE_CONT
    4531d2                   xor r10d,r10d
    e864000000               call 0000000000000085h
    7559                     jne short 000000000000007Ch
    488b7b08                 mov rdi,[rbx+8]                  whom to wait for
    4885ff                   test rdi,rdi
    7450                     je short 000000000000007Ch
    488d7320                 lea rsi,[rbx+20h]
    ba00000040               mov edx,40000000h                __WALL
    4531d2                   xor r10d,r10d
    b83d000000               mov eax,3Dh                      wait4
    0f05                     syscall
    48894328                 mov [rbx+28h],rax
    483b03                   cmp rax,[rbx]
    7536                     jne short 000000000000007Eh
    817b207f0b0000           cmp dword ptr [rbx+20h],0B7Fh    stopped at SIGSEGV
    752d                     jne short 000000000000007Eh
    eb04                     jmp short 0000000000000057h
fetch: rdi the same.
    53                       push rbx
    4889fb                   mov rbx,rdi
get:
    bf02420000               mov edi,4202h                    PTRACE_GETSIGINFO
    4c8b5318                 mov r10,[rbx+18h]
    e820000000               call 0000000000000085h
    7515                     jne short 000000000000007Ch
    bf0c000000               mov edi,0Ch                      PTRACE_GETREGS
    4c8b5310                 mov r10,[rbx+10h]
    e810000000               call 0000000000000085h
    7505                     jne short 000000000000007Ch
    b801000000               mov eax,1
out:
    5b                       pop rbx
    c3                       ret
changed:
    b802000000               mov eax,2
    5b                       pop rbx
    c3                       ret
request: edi which, r10 data; ZF set when it is done.
    488b33                   mov rsi,[rbx]
    31d2                     xor edx,edx
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
    """

    def __init__(self, pid: int, regs: int, info: int) -> None:
        self._waiting = (c_int64 * 6)(pid, pid, regs, info)
        self._leaving = (c_int64 * 6)(pid, 0, regs, info)
        self.wait = c_void_p(addressof(self._waiting))
        self.leave = c_void_p(addressof(self._leaving))

    @property
    def change(self) -> tuple[int, int]:
        """The thread that has changed and its wait status; `(0, 0)` when a signal interrupted the wait."""
        return (self._waiting[5], self._waiting[4]) if self._waiting[5] > 0 else (0, 0)


@cache
def functions() -> tuple[Any, Any]:
    """Return `go_on` and `fetch`, which take an argument of a trip's; others may run while the first one waits."""
    labels, lines = listing.read(LISTING)
    address = libc.map_code(b"".join(line.code for line in lines))
    go_on = ctypes.CFUNCTYPE(c_long)(address + labels["go on"])
    fetch = ctypes.PYFUNCTYPE(c_long)(address + labels["fetch"])
    return go_on, fetch
