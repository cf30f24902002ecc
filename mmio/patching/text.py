"""Change an instruction while other threads execute it.

A CPU may have fetched any part of an instruction that another CPU changes, so the change is made in steps, after each
of which every CPU in a thread of this process executes a serialising instruction (membarrier(2), SYNC_CORE; SDM vol.
3, 10.1.3 on cross-modifying code):

1. the first byte becomes HLT, which user code may not execute: a thread that comes there faults, and the handler sends
   it on;
2. the other bytes are written;
3. the first byte is written.

The text stays read-only and executable: it is written through /proc/self/mem, in machine code that makes system calls
and no other, with all signals blocked, for the instruction may be one of any library.
"""

import ctypes
import os
from ctypes import PYFUNCTYPE, c_char_p, c_int, c_uint64, c_void_p
from functools import cache
from typing import Any, Final

from mmio.linux import libc, listing
from mmio.linux.syscall_table import NUMBERS

LISTING: Final = """
write: rdi a `_Order`. Returns 0, or the error of the step that failed, with nothing changed if it was the first.
    53                       push rbx
    4154                     push r12
    4155                     push r13
    4889fb                   mov rbx,rdi
    4531ed                   xor r13d,r13d
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    bf02000000               mov edi,2                         SIG_SETMASK
    488d7330                 lea rsi,[rbx+30h]                 all signals
    488d5338                 lea rdx,[rbx+38h]
    41ba08000000             mov r10d,8
    0f05                     syscall
    448b6320                 mov r12d,[rbx+20h]                steps
    41f6c401                 test r12b,1
    7414                     je short 0000000000000043h        rest
    488d7328                 lea rsi,[rbx+28h]                 HLT
    ba01000000               mov edx,1
    4c8b5308                 mov r10,[rbx+8]                   address
    e853000000               call 0000000000000094h            put
    7530                     jne short 0000000000000073h       over
rest:
    488b5318                 mov rdx,[rbx+18h]                 count
    48ffca                   dec rdx
    7415                     je short 0000000000000061h        first
    488b7310                 mov rsi,[rbx+10h]                 bytes
    48ffc6                   inc rsi
    4c8b5308                 mov r10,[rbx+8]
    49ffc2                   inc r10
    e835000000               call 0000000000000094h            put
    7512                     jne short 0000000000000073h       over
first:
    488b7310                 mov rsi,[rbx+10h]
    ba01000000               mov edx,1
    4c8b5308                 mov r10,[rbx+8]
    e821000000               call 0000000000000094h            put
over:
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    bf02000000               mov edi,2                         SIG_SETMASK
    488d7338                 lea rsi,[rbx+38h]
    31d2                     xor edx,edx
    41ba08000000             mov r10d,8
    0f05                     syscall
    4489e8                   mov eax,r13d
    415d                     pop r13
    415c                     pop r12
    5b                       pop rbx
    c3                       ret
put: rsi bytes, rdx how many, r10 the address. Every CPU sees them when it returns. ZF is clear after an error.
    b812000000               mov eax,12h                       pwrite64
    8b3b                     mov edi,[rbx]                     the memory file
    0f05                     syscall
    4839d0                   cmp rax,rdx
    751d                     jne short 00000000000000BFh       failed
    41f6c402                 test r12b,2
    7414                     je short 00000000000000BCh        as wanted
    b844010000               mov eax,144h                      membarrier
    bf20000000               mov edi,20h                       PRIVATE_EXPEDITED_SYNC_CORE
    31f6                     xor esi,esi
    31d2                     xor edx,edx
    0f05                     syscall
    85c0                     test eax,eax
    7503                     jne short 00000000000000BFh       failed
as wanted:
    31c0                     xor eax,eax
    c3                       ret
failed:
    4189c5                   mov r13d,eax
    85c0                     test eax,eax
    7506                     jne short 00000000000000CCh       known
    41bdfbffffff             mov r13d,0FFFFFFFBh               EIO: not a byte was written
known:
    4885e4                   test rsp,rsp
    c3                       ret
"""

HALT: Final = 1
"""Step 1 is made."""
SYNCHRONISE: Final = 2
"""Each step waits for every CPU."""
ALL_STEPS: Final = HALT | SYNCHRONISE

HLT: Final = 0xF4

_MEMBARRIER: Final = NUMBERS[64]["membarrier"]
_REGISTER: Final = 64  # MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE
_ALL_SIGNALS: Final = (1 << 64) - 1


class _Order(ctypes.Structure):
    """Order to the machine code."""

    _fields_ = (
        ("file", c_int),
        ("address", c_uint64),
        ("bytes", c_char_p),
        ("count", c_uint64),
        ("steps", c_uint64),
        ("halt", c_uint64),
        ("blocked", c_uint64),
        ("blocked_before", c_uint64),
    )


def change(address: int, code: bytes, steps: int = ALL_STEPS, memory_file: int | None = None) -> None:
    """Write the bytes of an instruction, which other threads may be executing.

    Args:
        address: of its first byte.
        code: the bytes, at least one.
        steps: what is done, for tests that leave out a part.
        memory_file: a descriptor of /proc/self/mem; it is opened where none is given.

    Raises:
        OSError: the text cannot be written, or this kernel has no such membarrier(2).
    """
    if steps & SYNCHRONISE:
        _register(os.getpid())
    file = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC) if memory_file is None else memory_file
    try:
        order = _Order(file, address, code, len(code), steps, HLT, _ALL_SIGNALS)
        error = _code()(ctypes.addressof(order))
    finally:
        if memory_file is None:
            os.close(file)
    if error:
        raise OSError(-error, f"text at {address:#x} cannot be changed: {os.strerror(-error)}")


def write(address: int, code: bytes, memory_file: int | None = None) -> None:
    """Write code that no thread executes yet. Raises OSError."""
    change(address, code, 0, memory_file)


@cache
def _register(_process: int) -> None:
    """Announce this process to membarrier, once. Raises OSError."""
    libc.check(libc.LIBC.syscall(_MEMBARRIER, _REGISTER, 0, 0, None), "membarrier of this process")


@cache
def _code() -> Any:
    """Return the function that the listing is. It keeps the GIL: no other thread is in Python meanwhile."""
    return PYFUNCTYPE(c_int, c_void_p)(libc.map_code(listing.code(LISTING)))
