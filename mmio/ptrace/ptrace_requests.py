"""Thin wrappers of ptrace, wait, and access to another process's memory and files.

Each function is one system call with its errors turned into `OSError`. A thread that has gone in the meantime (killed,
which may happen at any moment) is `ProcessLookupError`, as the kernel says.

What every access needs is not here: see `asm_loop.py`.
"""

import ctypes
import errno
import os
import signal
from ctypes import c_char, c_int, c_long, c_ulong, c_void_p
from typing import Any, Final

from mmio.linux.syscall_table import NUMBERS

# linux/ptrace.h, asm/ptrace-abi.h
CONT: Final = 7
SINGLESTEP: Final = 9
GETREGS: Final = 12
SETREGS: Final = 13
GETFPREGS: Final = 14
SETFPREGS: Final = 15
DETACH: Final = 17
SYSCALL: Final = 24
SETOPTIONS: Final = 0x4200
GETEVENTMSG: Final = 0x4201
GETSIGINFO: Final = 0x4202
SETSIGINFO: Final = 0x4203
GETREGSET: Final = 0x4204
SETREGSET: Final = 0x4205
SEIZE: Final = 0x4206
INTERRUPT: Final = 0x4207
LISTEN: Final = 0x4208
GETSIGMASK: Final = 0x420A
SETSIGMASK: Final = 0x420B
GET_SYSCALL_INFO: Final = 0x420E

XSTATE: Final = 0x202  # NT_X86_XSTATE

# PTRACE_O_TRACESYSGOOD, FORK, VFORK, CLONE, EXEC, EXIT, SECCOMP
OPTIONS: Final = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80
EXITKILL: Final = 0x100000

EVENT_FORK: Final = 1
EVENT_VFORK: Final = 2
EVENT_CLONE: Final = 3
EVENT_EXEC: Final = 4
EVENT_EXIT: Final = 6
EVENT_SECCOMP: Final = 7
EVENT_STOP: Final = 128
_SI_CODE: Final = 2
"""The index of si_code in siginfo_t as an array of ints. At an event stop it is SIGTRAP | event << 8."""

WALL: Final = 0x40000000
NO_OTHER_THREADS: Final = 0x20000000  # __WNOTHREAD: a thread hears only of what it traces or started itself

LIBC: Final = ctypes.CDLL(None, use_errno=True)

_ptrace: Any = ctypes.PyDLL(None, use_errno=True)["ptrace"]  # no request blocks, so the GIL is kept
_ptrace.restype = c_long
_ptrace.argtypes = (c_long, c_long, c_void_p, c_void_p)

_waitpid: Any = LIBC["waitpid"]
_waitpid.argtypes = (c_int, c_void_p, c_int)
_NO_HANG: Final = 1

LIBC.waitid.argtypes = (c_int, c_int, c_void_p, c_int)
LIBC.syscall.restype = c_long

_ANY: Final = 0  # P_ALL
_ONE: Final = 1  # P_PID
_STOPPED: Final = 2  # WSTOPPED
_EXITED: Final = 4  # WEXITED
_NO_WAIT: Final = 0x01000000  # WNOWAIT
_TRAPPED: Final = 4  # CLD_TRAPPED

_TGKILL: Final = NUMBERS[64]["tgkill"]


def failed(what: str) -> OSError:
    """Return the error errno tells of."""
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


def request(number: int, pid: int, address: int = 0, data: int = 0) -> int:
    """Make a ptrace request.

    Raises:
        ProcessLookupError: the thread is gone, or not stopped.
        OSError: the kernel refuses.
    """
    result: int = _ptrace(number, pid, address, data)
    if result < 0:
        raise failed(f"ptrace request {number:#x} on thread {pid}")
    return result


def event_message(pid: int, event: int) -> int:
    """Return the message of the event a thread stopped at: the TID of the new thread, or its own TID before execve.

    SIGKILL, also the one of exit_group in another thread, takes a thread out of any stop and on to PTRACE_EVENT_EXIT,
    whose message is an exit status (ptrace(2)). So the thread must be found in the same stop afterwards.

    Raises:
        ProcessLookupError: the thread has been killed since; its PTRACE_EVENT_EXIT or its end is still to come.
    """
    message, signal_info = c_ulong(), (c_int * 32)()
    request(GETEVENTMSG, pid, 0, ctypes.addressof(message))
    request(GETSIGINFO, pid, 0, ctypes.addressof(signal_info))
    if signal_info[_SI_CODE] >> 8 != event:
        raise ProcessLookupError(errno.ESRCH, f"thread {pid} has been killed in its stop at event {event}")
    return message.value


def signal_mask(pid: int) -> int:
    """Return the signals a stopped thread blocks."""
    mask = ctypes.c_uint64()
    request(GETSIGMASK, pid, 8, ctypes.addressof(mask))
    return mask.value


def set_signal_mask(pid: int, mask: int) -> None:
    """Change the signals a stopped thread blocks."""
    request(SETSIGMASK, pid, 8, ctypes.addressof(ctypes.c_uint64(mask)))


def wait(pid: int, *, hang: bool = True) -> tuple[int, int]:
    """Wait for a thread to change, once: `(0, 0)` when a signal of our own came first, or without `hang` nothing has.

    Unlike `os.waitpid` it does not begin again after a signal, so that the caller can look what it was.
    """
    status = c_int()
    found = _waitpid(pid, ctypes.addressof(status), WALL if hang else WALL | _NO_HANG)
    if found < 0 and ctypes.get_errno() != errno.EINTR:
        raise failed(f"waiting for {pid}")
    return (found, status.value) if found > 0 else (0, 0)


def is_forbidden(status: int) -> bool:
    """Return whether a wait status tells of SIGSYS: a seccomp filter has raised it instead of a system call."""
    return os.WIFSTOPPED(status) and status >> 8 == signal.SIGSYS


def is_exiting(status: int) -> bool:
    """Return whether a wait status is that of a thread which has ended, or has stopped on its way there.

    A wait for one thread has to end at the second, too. Of its end a process's first thread does not tell before all
    others have been waited for (ptrace(2), "Death under ptrace"), and one that calls exit takes the first with it.
    """
    return not os.WIFSTOPPED(status) or status >> 16 == EVENT_EXIT


def send_signal(process: int, thread: int, number: int) -> None:
    """Send a signal to one thread. Raises ProcessLookupError when it is gone."""
    if LIBC.syscall(c_long(_TGKILL), c_long(process), c_long(thread), c_long(number)) < 0:
        raise failed(f"signal {number} to thread {thread}")


class _ChildInfo(ctypes.Structure):
    """siginfo_t as waitid fills it."""

    _fields_ = (
        ("number", c_int),
        ("errno", c_int),
        ("code", c_int),
        ("_padding", c_int),
        ("pid", c_int),
        ("_rest", c_char * 108),
    )


def peek(pid: int = 0) -> tuple[int, bool]:
    """Wait until some child of this thread has changed; return its number and whether it is a traced one that stopped.

    What has changed is still there to be waited for. `(0, False)` when a signal of our own came first. With a thread's
    number only that one is looked at, and not waited for: `(0, False)` when it has not changed.
    """
    info = _ChildInfo()
    options = _EXITED | _STOPPED | _NO_WAIT | WALL | (_NO_HANG if pid else NO_OTHER_THREADS)
    if LIBC.waitid(_ONE if pid else _ANY, pid, ctypes.addressof(info), options) < 0:
        if ctypes.get_errno() == errno.EINTR:
            return 0, False
        raise failed("waiting for any thread")
    return info.pid, info.code == _TRAPPED
