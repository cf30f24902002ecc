"""A process with nothing in it, worked by remote control.

The child is a static program of three instructions, made here byte by byte: ask to be traced, trap. Everything
else is done to it from outside, by running system calls in its name, so there is no Python, no C library, no stack
and (once `SiliconEngine` has emptied it) no memory but what the experiment needs. Starting one costs half a
millisecond; losing one costs nothing.

ptrace belongs to a thread: a tracee obeys only the thread that started it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_ptrace = _libc.ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)

# linux/ptrace.h, asm/ptrace-abi.h
_GETREGS, _SETREGS, _GETFPREGS, _SETFPREGS, _SETOPTIONS, _GETSIGINFO = 12, 13, 14, 15, 0x4200, 0x4202
_GETREGSET, _SETREGSET, _XSTATE_NOTE = 0x4204, 0x4205, 0x202
_FXSAVE_SIZE = 512
_SINGLESTEP = 9
_OPTIONS = 0x100000 | 1  # EXITKILL: the child dies with us. TRACESYSGOOD: system calls stop it distinguishably.

# The forms that never let a system call of the instruction under test through: it stops at the entry instead.
RUN = 31  # PTRACE_SYSEMU
STEP = 32  # PTRACE_SYSEMU_SINGLESTEP
SYSCALL_STOP = signal.SIGTRAP | 0x80

# struct user_regs_struct, asm/user_64.h
REGISTER_ORDER = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "rflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
)
REGISTER_INDEX = {name: index for index, name in enumerate(REGISTER_ORDER)}
NO_SYSCALL = 2**64 - 1  # orig_rax: nothing to restart when the registers are replaced
CODE_64, DATA_64 = 0x33, 0x2B  # __USER_CS, __USER_DS

MEMORY_FD = 100
_LOAD_ADDRESS = 0x400000
_PROGRAM = bytes.fromhex(
    "31ff b865000000 0f05 cc"  # xor edi,edi; mov eax,101; syscall; int3: ptrace(PTRACE_TRACEME), then trap
)
FIRST_SYSCALL = _LOAD_ADDRESS + 0x78 + 7


class TraceeDied(Exception):
    """Tell that the child is gone, and how."""


def _elf_image() -> bytes:
    """The smallest 64-bit ELF program: one header, one readable and executable segment."""
    size = 0x78 + len(_PROGRAM)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _LOAD_ADDRESS + 0x78, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, 0x1000)
    return ident + header + segment + _PROGRAM


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Tracee:
    """One stopped child process; `registers` is the buffer that `load` and `store` exchange with it.

    The child inherits `memory_fd` as descriptor MEMORY_FD, and nothing else.
    """

    def __init__(self, memory_fd: int) -> None:
        program = os.memfd_create("tracee")
        try:
            os.write(program, _elf_image())
            self.pid = os.posix_spawn(
                f"/proc/self/fd/{program}",
                ["tracee"],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, memory_fd, MEMORY_FD),
                    *((os.POSIX_SPAWN_CLOSE, fd) for fd in (0, 1, 2)),
                ],
                setsid=True,  # the terminal's Ctrl-C is for this process alone
                setsigmask=(),
                setsigdef=(signal.SIGTRAP,),
            )
        finally:
            os.close(program)
        self.registers = (ctypes.c_uint64 * len(REGISTER_ORDER))()
        self._address = ctypes.addressof(self.registers)
        self._siginfo = ctypes.create_string_buffer(128)
        self._cpu: int | None = None
        self.wait()
        self._request(_SETOPTIONS, 0, _OPTIONS)

    def _request(self, request: int, address: int, data: int) -> None:
        if _ptrace(request, self.pid, address, data) < 0:
            number = ctypes.get_errno()
            raise TraceeDied(f"ptrace request {request:#x} on child {self.pid}: {os.strerror(number)}")

    def load(self) -> None:
        """Fetch the child's registers."""
        self._request(_GETREGS, 0, self._address)

    def store(self) -> None:
        """Give the child the registers in the buffer."""
        self._request(_SETREGS, 0, self._address)

    def load_xstate(self, buffer: ctypes.Array[ctypes.c_char]) -> None:
        """Fetch the child's XSAVE area, in the standard format; for a buffer of 512 bytes, that of FXSAVE."""
        self._exchange_xstate(_GETREGSET, _GETFPREGS, buffer)

    def store_xstate(self, buffer: ctypes.Array[ctypes.c_char]) -> None:
        """Give the child the area in `buffer`, as `load_xstate` fetches it."""
        self._exchange_xstate(_SETREGSET, _SETFPREGS, buffer)

    def _exchange_xstate(self, request: int, legacy: int, buffer: ctypes.Array[ctypes.c_char]) -> None:
        if len(buffer) == _FXSAVE_SIZE:
            self._request(legacy, 0, ctypes.addressof(buffer))
            return
        vector = _IoVec(ctypes.addressof(buffer), len(buffer))
        self._request(request, _XSTATE_NOTE, ctypes.addressof(vector))

    def resume(self, request: int) -> int:
        """Let the child go (RUN, STEP) until it stops again, and return the signal that stopped it.

        The child runs on the CPU that we are on: handing over to a process on the same CPU is five times as
        fast as waking another CPU.
        """
        cpu = _libc.sched_getcpu()
        if cpu != self._cpu:
            os.sched_setaffinity(self.pid, (cpu,))
            self._cpu = cpu
        self._request(request, 0, 0)
        return self.wait()

    def wait(self) -> int:
        """Wait for the child to stop; return the signal.

        Raises:
            TraceeDied: It ended instead.
        """
        _, status = os.waitpid(self.pid, 0)
        if not os.WIFSTOPPED(status):
            pid, self.pid = self.pid, 0
            raise TraceeDied(f"child {pid} ended with wait status {status:#x}")
        return os.WSTOPSIG(status)

    def signal_origin(self) -> tuple[int, int]:
        """Return si_code and si_addr of the signal that stopped the child."""
        self._request(_GETSIGINFO, 0, ctypes.addressof(self._siginfo))
        code, address = struct.unpack_from("<8xi4xQ", self._siginfo)
        return code, address

    def syscall(self, at: int, number: int, *arguments: int) -> int:
        """Run a system call in the child, by the `syscall` instruction at address `at`; return its result.

        Raises:
            OSError: The call failed.
        """
        values = dict.fromkeys(REGISTER_ORDER, 0) | {
            "rax": number,
            "orig_rax": NO_SYSCALL,
            "rip": at,
            "cs": CODE_64,
            "ss": DATA_64,
            "rflags": 0x202,
        }
        values.update(zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), arguments, strict=False))
        self.registers[:] = list(values.values())
        self.store()
        stop = self.resume(_SINGLESTEP)
        while stop == signal.SIGVTALRM:
            stop = self.resume(_SINGLESTEP)
        self.load()
        result = ctypes.c_int64(self.registers[REGISTER_INDEX["rax"]]).value
        if stop != signal.SIGTRAP or -4096 < result < 0:
            why = os.strerror(-result) if stop == signal.SIGTRAP else f"stopped by signal {stop}"
            raise OSError(-result, f"system call {number} in child {self.pid}: {why}")
        return result

    def kill(self) -> None:
        """End the child and reap it."""
        if not self.pid:
            return
        pid, self.pid = self.pid, 0
        os.kill(pid, signal.SIGKILL)
        while True:
            _, status = os.waitpid(pid, 0)
            if not os.WIFSTOPPED(status):
                return
