"""Change an instruction while other threads execute it.

A CPU may have fetched any part of an instruction that another CPU changes, so the change is made in steps, after each
of which every CPU in a thread of this process executes a serialising instruction (membarrier(2), SYNC_CORE; SDM vol.
3, 10.1.3 on cross-modifying code):

1. the first byte becomes HLT, which user code may not execute: a thread that comes there faults, and the handler sends
   it on;
2. the other bytes are written;
3. the first byte is written.

A jump that stands over the next instructions as well (`followers.py`) changes all of them, and a thread may be at any:
then the first and the third step are made for each. Under the jump they stay HLT.

The text stays read-only and executable: it is written through /proc/self/mem, in machine code that makes system calls
and no other, with all signals blocked, for the instruction may be one of any library.
"""

import ctypes
import os
from collections.abc import Iterator
from ctypes import PYFUNCTYPE, c_char_p, c_int, c_uint64, c_void_p
from functools import cache
from signal import SIGSEGV
from threading import get_native_id
from time import sleep
from typing import Any, Final

from mmio.linux import libc, listing
from mmio.linux.proc_maps import is_pending, sleeps, threads
from mmio.linux.syscall_table import NUMBERS
from mmio.patching.jumps import HLT

LISTING: Final = """
write: rdi an `_Order`. Returns 0, or the error of the stroke that failed; those behind it are not made.
    53                       push rbx
    4154                     push r12
    4155                     push r13
    4889fb                   mov rbx,rdi
    4531ed                   xor r13d,r13d
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    bf02000000               mov edi,2                         SIG_SETMASK
    488d7320                 lea rsi,[rbx+20h]                 all signals
    488d5328                 lea rdx,[rbx+28h]
    41ba08000000             mov r10d,8
    0f05                     syscall
    4c8b6308                 mov r12,[rbx+8]                   a `_Stroke`
stroke: every CPU sees one when the next is made.
    b812000000               mov eax,12h                       pwrite64
    8b3b                     mov edi,[rbx]                     the memory file
    498b742408               mov rsi,[r12+8]                   bytes
    498b542410               mov rdx,[r12+10h]                 count
    4d8b1424                 mov r10,[r12]                     address
    0f05                     syscall
    493b442410               cmp rax,[r12+10h]
    7527                     jne short 000000000000006Eh       failed
    48837b1800               cmp qword ptr [rbx+18h],0         synchronise
    7414                     je short 0000000000000062h        made
    b844010000               mov eax,144h                      membarrier
    bf20000000               mov edi,20h                       PRIVATE_EXPEDITED_SYNC_CORE
    31f6                     xor esi,esi
    31d2                     xor edx,edx
    0f05                     syscall
    85c0                     test eax,eax
    750c                     jne short 000000000000006Eh       failed
made:
    4983c418                 add r12,18h
    48ff4b10                 dec qword ptr [rbx+10h]           strokes that are left
    75bd                     jne short 0000000000000029h       stroke
    eb0d                     jmp short 000000000000007Bh       over
failed:
    4189c5                   mov r13d,eax
    85c0                     test eax,eax
    7806                     js short 000000000000007Bh        over
    41bdfbffffff             mov r13d,0FFFFFFFBh               EIO: not every byte was written
over:
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    bf02000000               mov edi,2                         SIG_SETMASK
    488d7328                 lea rsi,[rbx+28h]
    31d2                     xor edx,edx
    41ba08000000             mov r10d,8
    0f05                     syscall
    4489e8                   mov eax,r13d
    415d                     pop r13
    415c                     pop r12
    5b                       pop rbx
    c3                       ret
"""

HALT: Final = 1
"""Step 1 is made for the first instruction."""
SYNCHRONISE: Final = 2
"""Each step waits for every CPU."""
FOLLOWERS: Final = 4
"""Step 1 is made for the next instructions."""
ALL_STEPS: Final = HALT | SYNCHRONISE | FOLLOWERS

_MEMBARRIER: Final = NUMBERS[64]["membarrier"]
_REGISTER: Final = 64  # MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE
_ALL_SIGNALS: Final = (1 << 64) - 1
_HALT: Final = bytes([HLT])
_PAUSE: Final = 0.0005  # seconds
_MOST_PAUSES: Final = 200


class _Stroke(ctypes.Structure):
    """Bytes that are written at once."""

    _fields_ = (("address", c_uint64), ("bytes", c_char_p), ("count", c_uint64))


class _Order(ctypes.Structure):
    """Order to the machine code."""

    _fields_ = (
        ("file", c_int),
        ("strokes", c_uint64),
        ("count", c_uint64),
        ("synchronise", c_uint64),
        ("blocked", c_uint64),
        ("blocked_before", c_uint64),
    )


def change(
    address: int,
    code: bytes,
    steps: int = ALL_STEPS,
    memory_file: int | None = None,
    starts: tuple[int, ...] = (0,),
) -> None:
    """Write the bytes of instructions, which other threads may be executing.

    Args:
        address: of the first byte.
        code: the bytes, at least one.
        steps: what is done, for tests that leave out a part.
        memory_file: a descriptor of /proc/self/mem; it is opened where none is given.
        starts: where in the code instructions start, before or after the change, in order.

    Raises:
        OSError: the text cannot be written, or this kernel has no such membarrier(2).
    """
    if steps & SYNCHRONISE:
        _register(os.getpid())
    file = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC) if memory_file is None else memory_file
    try:
        made = [_Stroke(address + at, part, len(part)) for at, part in _strokes(code, steps, starts)]
        strokes = (_Stroke * len(made))(*made)
        order = _Order(file, ctypes.addressof(strokes), len(made), steps & SYNCHRONISE, _ALL_SIGNALS)
        error = _code()(ctypes.addressof(order))
    finally:
        if memory_file is None:
            os.close(file)
    if error:
        raise OSError(-error, f"text at {address:#x} cannot be changed: {os.strerror(-error)}")


def let_pass() -> None:
    """Wait until threads that have met HLT are in the handler of SIGSEGV, before that is removed.

    A thread may have been preempted between the exception and its signal, and then the signal is pending. A thread that
    sleeps in a system call has met none.
    """
    others = [thread for thread in threads(os.getpid()) if thread != get_native_id() and sleeps(thread)[0] not in "SXZ"]
    for _ in range(_MOST_PAUSES if others else 0):
        sleep(_PAUSE)
        if not any(is_pending(thread, SIGSEGV) for thread in others):
            return


def _strokes(code: bytes, steps: int, starts: tuple[int, ...]) -> Iterator[tuple[int, bytes]]:
    """Yield what is written, one after the other: where in the code, and the bytes."""
    if not steps:
        yield 0, code
        return
    halted = (starts[:1] if steps & HALT else ()) + (starts[1:] if steps & FOLLOWERS else ())
    yield from ((start, _HALT) for start in halted)
    for start, end in zip(starts, (*starts[1:], len(code)), strict=True):
        if code[start + 1 : end]:
            yield start + 1, code[start + 1 : end]
    yield from ((at, code[at : at + 1]) for at in starts if at not in halted or code[at] != HLT)


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
