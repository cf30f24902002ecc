"""Faults of the program's own, delivered as the kernel would have.

The emulator may find that the instruction faults for a reason that has nothing to do with a device: the other side of a
copy is not mapped, a divisor is zero. The program's own signal handler must hear of that, in the context of the
faulting instruction. So the signal is queued to this very thread while it is blocked: when our handler returns, the
kernel restores the mask and, before a single instruction runs, delivers it.
"""

import ctypes
import os
from ctypes import c_int, c_ulong, c_void_p
from signal import SIG_BLOCK, SIGBUS, SIGFPE, SIGILL, SIGSEGV, Signals, pthread_sigmask
from threading import get_native_id
from typing import Final, TypeGuard

from emulate import AlignmentCheck, DivideError, Fault, InvalidOpcode, MathFault, PageFault, SimdFault, StackFault
from mmio.linux.libc import LIBC, check
from mmio.live.memory import Unreachable
from mmio.live.signal_frame import RIP, Frame
from mmio.space import route

_RT_TGSIGQUEUEINFO: Final = 297

_MAPERR: Final = 1  # SEGV_MAPERR
_INTDIV: Final = 1  # FPE_INTDIV
_ILLOPN: Final = 2  # ILL_ILLOPN
_SIMD: Final = {0x01: 7, 0x04: 3, 0x08: 4, 0x12: 5, 0x20: 6}  # MXCSR's exceptions to FPE_FLTINV, DIV, OVF, UND, RES
_FLTUNK: Final = 14  # FPE_FLTUNK
_ADRALN: Final = 1  # BUS_ADRALN
_KERNEL: Final = 0x80  # SI_KERNEL


class SignalInfo(ctypes.Structure):
    """siginfo_t as faults fill it."""

    _fields_ = (
        ("number", c_int),
        ("errno", c_int),
        ("code", c_int),
        ("_padding", c_int),
        ("address", c_ulong),
        ("_rest", ctypes.c_char * 104),
    )


LIBC.syscall.argtypes = (c_ulong, c_ulong, c_ulong, c_ulong, c_void_p)


def deliver(frame: Frame, fault: Fault) -> None:
    """Deliver the signal of a fault at the interrupted instruction when the current handler returns."""
    number, code, address = signal_of(fault, frame.regs[RIP])
    info = SignalInfo(number=number, code=code, address=address)
    pthread_sigmask(SIG_BLOCK, (number,))
    frame.signal_mask.value &= ~(1 << number - 1)
    thread = get_native_id()
    check(LIBC.syscall(_RT_TGSIGQUEUEINFO, os.getpid(), thread, number, ctypes.addressof(info)), "rt_tgsigqueueinfo")


def is_guest_fault(error: BaseException) -> TypeGuard[Fault]:
    """Return whether an error is a fault the program would have had anyway, rather than one a device model raised.

    Faults of the emulator are the program's, and memory that is not there is; a fault that came through a route to a
    device is that device's (it may run an emulator of its own).
    """
    if isinstance(error, Unreachable):
        return True
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == route.__file__:
            return False
        traceback = traceback.tb_next
    return isinstance(error, Fault)


def signal_of(fault: Fault, ip: int) -> tuple[Signals, int, int]:
    """Return the signal, si_code and si_addr that Linux makes of a fault at `ip` (arch/x86/kernel/traps.c)."""
    match fault:
        case PageFault():
            assert fault.address is not None
            return SIGSEGV, _MAPERR, fault.address
        case DivideError():
            return SIGFPE, _INTDIV, ip
        case SimdFault():
            return SIGFPE, next(code for bits, code in _SIMD.items() if fault.exceptions & bits), ip
        case MathFault():
            return SIGFPE, _FLTUNK, ip
        case InvalidOpcode():
            return SIGILL, _ILLOPN, ip
        case AlignmentCheck():
            return SIGBUS, _ADRALN, 0
        case StackFault():
            return SIGBUS, _KERNEL, 0
        case _:
            return SIGSEGV, _KERNEL, 0
