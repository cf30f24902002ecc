"""Handle the system calls of a hosted program that would end, replace or change its host process.

Ending, becoming another program, making processes and threads, arranging signals, moving the heap: these are done here
as the kernel does them for a program alone in its process. What a traced program's calls need besides (mappings that
are followed, files that are redirected) is in `mmio.program.syscalls`.
"""

import errno
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from mmio.hosted import descriptor_calls, elf_image
from mmio.hosted.errors import ADVICE, HostError
from mmio.hosted.exits import Executed, Exited, ThreadExited
from mmio.hosted.program_area import FIXED, Area
from mmio.hosted.signals import Signals
from mmio.hosted.thread import Thread
from mmio.hosted.threads import CHILD_CLEARTID, CHILD_SETTID, PARENT_SETTID, SETTLS, Threads
from mmio.hosted.trampoline import PROGRAM_FS
from mmio.linux.prctl import PR_SET_PDEATHSIG, PR_SET_SECCOMP
from mmio.linux.syscall_table import NUMBERS
from mmio.live.memory import Unreachable
from mmio.live.signal_frame import RSP
from mmio.program.thread import Call

_MMAP: Final = NUMBERS[64]["mmap"]
_32_BIT: Final = 0x40  # MAP_32BIT
_ANONYMOUS: Final = 0x20  # MAP_ANONYMOUS

# clone(2)
_VM: Final = 0x100
_VFORK: Final = 0x4000
_PIDFD: Final = 0x1000
_THREAD: Final = 0x10000
_NEWUSER: Final = 0x1000_0000
_NEWPID: Final = 0x2000_0000
_IGNORED: Final = 0x40_0000 | 0x80_0000 | 0x8000_0000  # CLONE_DETACHED, CLONE_UNTRACED, CLONE_IO
_OF_CHILDREN: Final = _VM | _VFORK | _PIDFD | _IGNORED | PARENT_SETTID | CHILD_CLEARTID | CHILD_SETTID | SETTLS
_EVERY_FLAG: Final = 0xFFFF_FFFF

_LONGEST: Final = 1 << 17  # MAX_ARG_STRLEN
_UINT: Final = 0xFFFFFFFF
_INT_MAX: Final = (1 << 31) - 1
_CWD: Final = -100
_EXECUTABLES: Final = ("/proc/self/exe", "/proc/thread-self/exe")

Answer = Callable[["HostCalls", Thread, tuple[int, ...]], int | None]

ANSWERS: Final[dict[int, Answer]] = {}
"""By the number of a call that the filter must always trap: the function that returns the call's result, or None when
the call is to be made after all."""


def _answers(name: str) -> Callable[[Answer], Answer]:
    number = NUMBERS[64][name]

    def known(answer: Answer) -> Answer:
        ANSWERS[number] = answer
        return answer

    return known


class Family(Protocol):
    """Relatives of a process, as its system calls see them."""

    def fork(self, thread: Thread, is_vfork: bool) -> int:
        """Make a child; return its PID, and 0 in it, where `thread` is the only one. Raises OSError."""

    def be_alone(self) -> None:
        """Leave no thread in this process but the program's."""

    def prepare_for_children(self) -> None:
        """Start what serves children now, because no thread can be made later. Raises OSError."""

    def parent(self) -> int | None:
        """Return the PID of the parent where it is another one than the kernel says."""

    def end_with_parent(self, number: int) -> None:
        """Ask for a signal at the end of this process's parent; 0 for none."""


class HostCalls:
    """The calls of one program.

    Args:
        area: its part of the address space.
        signals: what it has arranged for them.
        threads: its threads.
        family: its relatives.

    Attributes:
        path: of the program.
    """

    def __init__(self, area: Area, signals: Signals, threads: Threads, family: Family) -> None:
        self.area = area
        self.signals = signals
        self.threads = threads
        self.path = ""
        self.family = family

    def answer(self, thread: Thread, call: Call) -> bool:
        """Deal with a call; return whether it has been answered.

        Raises:
            Exited, Executed: the program ends or becomes another one.
            HostError: what it wants cannot be had here.
        """
        found = ANSWERS.get(call.number)
        try:
            result = descriptor_calls.answer(thread, call) if found is None else found(self, thread, call.arguments)
        except Unreachable:
            result = -errno.EFAULT
        if result is not None:
            thread.answer_call(result)
        return result is not None

    def clone(self, thread: Thread, flags: int, stack: int = 0, parent: int = 0, child: int = 0, tls: int = 0) -> int:
        """Make a thread, or a child, as the system call does (clone(2))."""
        if flags & _THREAD:
            return self.threads.make(thread, flags, stack, parent, child, tls)
        if flags & _VM and not flags & _VFORK:
            raise HostError(f"{self.path} makes a process that shares its memory: {ADVICE}")
        if flags & ~_OF_CHILDREN & _EVERY_FLAG != signal.SIGCHLD:
            raise HostError(f"{self.path} makes a process by clone with the flags {flags:#x}: {ADVICE}")
        try:
            pid = self.family.fork(thread, bool(flags & _VFORK))
        except OSError as error:
            return -(error.errno or errno.EAGAIN)
        memory = thread.process.memory
        if pid:
            if flags & PARENT_SETTID:
                memory.write(parent, 4, pid)
            if flags & _PIDFD:
                memory.write(parent, 4, os.pidfd_open(pid))
            return pid
        thread.clear_at = child if flags & CHILD_CLEARTID else 0
        if flags & CHILD_SETTID:
            memory.write(child, 4, thread.pid)
        if flags & SETTLS:
            thread.regs[PROGRAM_FS] = tls
        if stack:
            thread.regs[RSP] = stack
        return 0


@_answers("brk")
def _brk(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    return calls.area.set_break(arguments[0])


@_answers("rt_sigaction")
def _rt_sigaction(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    return calls.signals.action(*arguments[:4])


@_answers("rt_sigprocmask")
def _rt_sigprocmask(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    return calls.signals.change_mask(thread, *arguments[:4])


@_answers("rt_sigreturn")
def _rt_sigreturn(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> None:
    with suppress(Unreachable):  # the kernel kills it
        calls.signals.returning(thread)


@_answers("sigaltstack")
def _sigaltstack(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    return calls.signals.change_stack(thread, *arguments[:2])


def _waits_with_mask(argument: int) -> Answer:
    """Return what to do about a call that uses a signal mask while it waits."""

    def unblock_held(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> None:
        calls.signals.unblock_held(arguments[argument])

    return unblock_held


for _name, _argument in {"rt_sigsuspend": 0, "ppoll": 3, "epoll_pwait": 4, "epoll_pwait2": 4}.items():
    _answers(_name)(_waits_with_mask(_argument))


@_answers("pselect6")
def _pselect6(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> None:
    if arguments[5]:
        calls.signals.unblock_held(thread.process.memory.read(arguments[5], 8))


@_answers("exit")
def _exit(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    status = arguments[0] & 0xFF
    raise ThreadExited(status) if calls.threads.count > 1 else Exited(status)


@_answers("set_tid_address")
def _set_tid_address(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    thread.clear_at = arguments[0]
    return thread.pid


@_answers("exit_group")
def _exit_group(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    raise Exited(arguments[0] & 0xFF)


@_answers("clone")
def _clone(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    return calls.clone(thread, *arguments[:5])


@_answers("fork")
def _fork(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    return calls.clone(thread, signal.SIGCHLD)


@_answers("vfork")
def _vfork(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    return calls.clone(thread, signal.SIGCHLD | _VM | _VFORK)


@_answers("getppid")
def _getppid(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int | None:
    return calls.family.parent()


@_answers("clone3")
def _clone3(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    return -errno.ENOSYS  # every C library continues with clone


@_answers("execve")
def _execve(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    path, vector, environment = arguments[:3]
    return _execute(calls, thread, os.fsdecode(_string(thread, path)), vector, environment)


@_answers("execveat")
def _execveat(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    directory, path, vector, environment, _ = arguments[:5]
    name = os.fsdecode(_string(thread, path))
    number = directory & _UINT
    if number != _CWD & _UINT and not name.startswith("/"):
        name = f"/proc/self/fd/{number}/{name}".removesuffix("/")
    return _execute(calls, thread, name, vector, environment)


def _execute(calls: HostCalls, thread: Thread, path: str, vector: int, environment: int) -> int:
    if path in _EXECUTABLES or path == f"/proc/{thread.pid}/exe":  # the program, not Python
        path = calls.path
    try:
        command = elf_image.command(path, _strings(thread, vector))
    except OSError as error:
        return -(error.errno or errno.EIO)
    if calls.threads.count > 1:
        raise HostError(f"{calls.path} executes {path} while it has other threads: {ADVICE}")
    raise Executed(command, _strings(thread, environment))


@_answers("readlink")
def _readlink(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int | None:
    return _own_path(calls, thread, *arguments[:3])


@_answers("readlinkat")
def _readlinkat(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int | None:
    return _own_path(calls, thread, *arguments[1:4])


def _own_path(calls: HostCalls, thread: Thread, path: int, buffer: int, size: int) -> int | None:
    """Say which program this is: not Python. The kernel says what is wrong with a call."""
    if not 0 < size & _UINT <= _INT_MAX:
        return None
    try:
        name = os.fsdecode(_string(thread, path))
    except Unreachable:
        return None
    if name not in _EXECUTABLES and name != f"/proc/{thread.pid}/exe":
        return None
    answer = os.fsencode(os.path.realpath(calls.path))[: size & _UINT]
    thread.process.memory.write_block(buffer, answer)
    return len(answer)


@_answers("seccomp")
def _seccomp(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int:
    raise HostError(
        f"{calls.path} restricts its own system calls (seccomp), which would also apply to pagetrap: {ADVICE}"
    )


@_answers("prctl")
def _prctl(calls: HostCalls, thread: Thread, arguments: tuple[int, ...]) -> int | None:
    option = arguments[0] & _UINT
    if option == PR_SET_SECCOMP and arguments[1]:
        return _seccomp(calls, thread, arguments)
    if option == PR_SET_PDEATHSIG and arguments[1] < signal.NSIG:
        calls.family.end_with_parent(arguments[1])
    return None


@_answers("setns")
def _setns(calls: HostCalls, _thread: Thread, _arguments: tuple[int, ...]) -> None:
    calls.family.be_alone()  # for most namespaces the process must have one thread (setns(2), unshare(2))


@_answers("unshare")
def _unshare(calls: HostCalls, _: Thread, arguments: tuple[int, ...]) -> int | None:
    calls.family.be_alone()
    flags = arguments[0]
    if flags & _NEWPID:  # from then on the kernel makes no threads (copy_process of kernel/fork.c)
        if flags & _NEWUSER:  # which a process with threads cannot have
            raise HostError(f"{calls.path} takes new namespaces of users and processes at once: {ADVICE}")
        try:
            calls.family.prepare_for_children()
        except OSError as error:
            return -(error.errno or errno.EAGAIN)
    return None


def place(area: Area, thread: Thread, call: Call) -> None:
    """Direct an mmap that leaves the address to the kernel to the program's area."""
    address, length, _, flags = call.arguments[:4]
    if call.number == _MMAP and not address and not flags & (FIXED | _32_BIT):
        thread.set_call(call.number, {0: area.place(length, of_file=not flags & _ANONYMOUS)}, call.bits)


def _string(thread: Thread, address: int) -> bytes:
    """Return the string at an address. Raises Unreachable."""
    data = b""
    while b"\0" not in data and len(data) < _LONGEST:
        at = address + len(data)
        data += thread.process.memory.read_block(at, 4096 - at % 4096)
    return data.partition(b"\0")[0]


def _strings(thread: Thread, address: int) -> list[bytes]:
    """Return the strings an array of pointers leads to, which may be missing."""
    found: list[bytes] = []
    memory: Any = thread.process.memory
    while address and (pointer := memory.read(address + 8 * len(found), 8)):
        found.append(_string(thread, pointer))
    return found
