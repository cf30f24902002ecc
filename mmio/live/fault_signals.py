"""Faults of the program's own, delivered as the kernel delivers them.

The emulator may find that the instruction faults for a reason that has nothing to do with a device: the other side of a
copy is not mapped, a divisor is zero. The program's own signal handler must hear of that, in the context of the
faulting instruction. So the signal is queued to this very thread while it is blocked: when our handler returns, the
kernel restores the mask and, before a single instruction runs, delivers it.
"""

import ctypes
import os
from ctypes import c_int, c_ulong, c_void_p
from signal import SIG_BLOCK, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, Signals, pthread_sigmask
from threading import get_native_id
from typing import Final, TypeGuard

from emulate import AlignmentCheck, DivideError, Fault, InvalidOpcode, MathFault, PageFault, SimdFault, StackFault
from mmio.linux.libc import LIBC, check
from mmio.linux.proc_maps import mappings
from mmio.live.memory import BeyondEnd, Unreachable
from mmio.live.signal_frame import RIP, Frame
from mmio.space import route

_RT_TGSIGQUEUEINFO: Final = 297

ACCERR: Final = 2
"""si_code of a SIGSEGV for a page that may not be accessed so (SEGV_ACCERR)."""
KERNEL: Final = 0x80
"""si_code of a SIGSEGV for an instruction that user code may not execute, and of others without a code (SIKERNEL)."""

_MAPERR: Final = 1  # SEGV_MAPERR
_INTDIV: Final = 1  # FPE_INTDIV
_ILLOPN: Final = 2  # ILL_ILLOPN
_SIMD: Final = {0x01: 7, 0x04: 3, 0x08: 4, 0x12: 5, 0x20: 6}  # MXCSR's exceptions to FPE_FLTINV, DIV, OVF, UND, RES
_FLTUNK: Final = 14  # FPE_FLTUNK
_ADRALN: Final = 1  # BUS_ADRALN
_ADRERR: Final = 2  # BUS_ADRERR


OF_INSTRUCTIONS: Final = frozenset({SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP})
"""Signals that an instruction raises, in an out-of-line copy as well."""

TRAP_FLAG: Final = 0x100
"""RFLAGS.TF: the CPU raises a debug exception after each instruction."""
TRAP_TRACE: Final = 2
"""si_code of the SIGTRAP of such an exception."""


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
    info = signal_of(fault, frame.regs[RIP], frame.fault_address, os.getpid())
    number = info.number
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


def signal_of(fault: Fault, ip: int, fault_address: int, pid: int) -> SignalInfo:
    """Return the signal, si_code and si_addr that Linux makes of a fault (traps.c and fault.c of arch/x86).

    Args:
        fault: what the emulator raised.
        ip: the address of the instruction.
        fault_address: the address of the page fault by which the thread came to be stopped.
        pid: of the process whose memory it is.
    """
    match fault:
        case BeyondEnd():
            return _signal(SIGBUS, _ADRERR, fault_address)
        case PageFault():
            assert fault.address is not None
            return _signal(SIGSEGV, ACCERR if _is_mapped(fault.address, pid) else _MAPERR, fault.address)
        case DivideError():
            return _signal(SIGFPE, _INTDIV, ip)
        case SimdFault():
            return _signal(SIGFPE, next(code for bits, code in _SIMD.items() if fault.exceptions & bits), ip)
        case MathFault():
            return _signal(SIGFPE, _FLTUNK, ip)
        case InvalidOpcode():
            return _signal(SIGILL, _ILLOPN, ip)
        case AlignmentCheck():
            return _signal(SIGBUS, _ADRALN, 0)
        case StackFault():
            return _signal(SIGBUS, KERNEL, 0)
        case _:
            return _signal(SIGSEGV, KERNEL, 0)


def single_step(ip: int) -> SignalInfo:
    """Return the signal of a debug exception after an instruction, with RFLAGS.TF set; `ip` is that of the next one."""
    return _signal(SIGTRAP, TRAP_TRACE, ip)


def _signal(number: Signals, code: int, address: int) -> SignalInfo:
    return SignalInfo(number=number, code=code, address=address)


def _is_mapped(address: int, pid: int) -> bool:
    """Return whether a process has a mapping at an address, whatever may be done there."""
    return any(mapping.start <= address < mapping.end for mapping in mappings(pid))
