"""Send an exception to the calling thread: its interpreter raises it at the next point where it looks for one.

PyThreadState_SetAsyncExc takes the number of a thread. In Python 3.11 a thread that has been started has the number of
the thread that started it until it begins (init_threadstate in Python/pystate.c), and is found first. So this function
gives the calling thread's state another number for the time of the call: its address, which is that of no other state.
"""

import ctypes
import sys
from ctypes import PYFUNCTYPE, c_uint64, c_void_p, pythonapi
from functools import cache
from threading import get_ident
from typing import Final

from mmio.linux import libc, listing

LISTING: Final = """
send: rsi the class of the exception, rdi ignored. The GIL is held. Returns how many threads it was sent to.
    53                       push rbx
    4154                     push r12
    4883ec08                 sub rsp,8
    4889f3                   mov rbx,rsi
    ff1530000000             call qword ptr [40h]              PyThreadState_Get
    4c8b2539000000           mov r12,[50h]                     where a state has its number
    4901c4                   add r12,rax
    4889c7                   mov rdi,rax
    4889de                   mov rsi,rbx
    498b1c24                 mov rbx,[r12]
    49893c24                 mov [r12],rdi
    ff151a000000             call qword ptr [48h]              PyThreadState_SetAsyncExc
    49891c24                 mov [r12],rbx
    4883c408                 add rsp,8
    415c                     pop r12
    5b                       pop rbx
    c3                       ret
"""

_DATA: Final = 0x40
_MOST_WORDS: Final = 64  # of a thread's state, looked through for the number


@cache
def sender() -> int:
    """Return the address of a function with the arguments of PyThreadState_SetAsyncExc, for the calling thread only.

    From Python 3.12 on, where a thread has no number before it begins, it is that function itself.
    """
    send = libc.address_of(pythonapi.PyThreadState_SetAsyncExc)
    place = _place_of_number() if sys.version_info < (3, 12) else None
    if place is None:
        return send
    words = (c_uint64 * 3)(libc.address_of(pythonapi.PyThreadState_Get), send, place)
    return libc.map_code(listing.code(LISTING).ljust(_DATA, b"\xcc") + bytes(words))


def _place_of_number() -> int | None:
    """Return where in a thread's state its number is, in bytes; None where it is not found."""
    state = PYFUNCTYPE(c_void_p)(("PyThreadState_Get", pythonapi))()
    words, number = (c_uint64 * _MOST_WORDS).from_address(state), get_ident()
    return next((ctypes.sizeof(c_uint64) * index for index, word in enumerate(words) if word == number), None)
