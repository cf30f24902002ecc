"""Start tracing a program: a new one before its first instruction, a running one in all its threads."""

import ctypes
import errno
import os
import signal
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from mmio.linux import proc_maps
from mmio.linux.prctl import PR_SET_NO_NEW_PRIVS, SECCOMP_SET_MODE_FILTER
from mmio.linux.process_memory import read_memory, write_memory
from mmio.linux.seccomp import Rule, program
from mmio.linux.syscall_table import NUMBERS, rules
from mmio.program.finding import find_program
from mmio.program.targets import Targets
from mmio.ptrace import launch, ptrace_requests
from mmio.ptrace.frame import CODE_32, CS, RAX, RSP
from mmio.ptrace.process import TracedProcess
from mmio.ptrace.signal_actions import SIGNAL_CALLS
from mmio.ptrace.thread import EXIT, Thread, ThreadGone
from mmio.space.recorder import Recorder

_UNFILTERED: Final = (errno.EINVAL, errno.ENOSYS, errno.EPERM)  # no seccomp in this kernel, or it is forbidden here


def spawn(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    directory: str | None,
    descriptors: Mapping[int, int],
    targets: Targets,
    trace: Recorder | None,
) -> Thread:
    """Start a program; return its thread, stopped in execve, in a process that only stands for the launching.

    Raises as `Tracer.spawn` does.
    """
    if not arguments:
        raise ValueError("expected a program and its arguments, got none")
    name = arguments[0]
    path = find_program(name, environment)
    pid = launch.launch(arguments, environment, descriptors)
    try:
        seize(pid, ptrace_requests.OPTIONS | ptrace_requests.EXITKILL)
        ptrace_requests.request(ptrace_requests.INTERRUPT, pid)
        ptrace_requests.wait(pid)
        process = TracedProcess(pid, targets, trace, filtered=True)
        process.gate = launch.GATE
        thread = Thread(pid, process)
        _execute(thread, os.path.abspath(path), directory, targets)
    except BaseException as error:
        os.kill(pid, signal.SIGKILL)
        end_of(pid)
        if isinstance(error, ThreadGone):
            raise ChildProcessError(f"{name} was killed before it began") from error
        raise
    return thread


def seize(pid: int, options: int, process: int | None = None) -> None:
    """Begin to trace one thread.

    Args:
        pid: its number.
        options: of its tracing.
        process: the number of its process, which is what a user knows; None when it is the same.

    Raises:
        ProcessLookupError: it does not exist.
        PermissionError: it may not be traced.
    """
    try:
        ptrace_requests.request(ptrace_requests.SEIZE, pid, 0, options)
    except ProcessLookupError:
        raise ProcessLookupError(errno.ESRCH, f"there is no process or thread {pid}") from None
    except PermissionError:
        if proc_maps.has_ended(pid):
            raise ProcessLookupError(errno.ESRCH, f"process or thread {pid} has ended") from None
        raise PermissionError(errno.EPERM, _why_not(pid, process or pid)) from None


def attach(pid: int, targets: Targets, trace: Recorder | None) -> tuple[list[Thread], dict[int, int]]:
    """Stop a running process; return its threads and the wait status of each.

    Raises as `Tracer.attach` does; then nothing is stopped any more.
    """
    statuses: dict[int, int] = {}
    try:
        _stop_all(pid, statuses)
        process = TracedProcess(pid, targets, trace, filtered=False, attached=True)
        threads = [Thread(thread, process) for thread in statuses]
        threads[0].frame.load()
        process.find_gate(32 if threads[0].regs[CS] == CODE_32 else 64)
        for stopped in threads:
            ptrace_requests.request(ptrace_requests.SETOPTIONS, stopped.pid, 0, ptrace_requests.OPTIONS)
    except BaseException:
        for thread in statuses:
            with suppress(ProcessLookupError):
                ptrace_requests.request(ptrace_requests.DETACH, thread)
        raise
    return threads, statuses


def _stop_all(pid: int, statuses: dict[int, int]) -> None:
    """Stop all threads of a process, and note the wait status of each.

    They run on meanwhile: they make threads, which are seen the next time around, and end. No option is set before all
    of them have stopped: a thread that stopped in the middle of a fork could make no system call for the tracer, and
    its child would be traced with mappings it has from before they were trapped. So a child of that moment is not
    traced.

    Raises:
        ProcessLookupError: there is no such process.
        PermissionError: it may not be traced.
    """
    ended: set[int] = set()
    while new := [thread for thread in proc_maps.threads(pid) if thread not in statuses and thread not in ended]:
        for thread in new:
            try:
                seize(thread, 0, pid)
                ptrace_requests.request(ptrace_requests.INTERRUPT, thread)
                statuses[thread] = _stopped(thread)
            except ProcessLookupError:
                ended.add(thread)
    if not statuses:
        raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended" if ended else f"there is no process {pid}")


def end_of(pid: int) -> int:
    """Wait until a killed thread is gone; return its wait status, 0 when it has been waited for already."""
    status = 0
    while not status or os.WIFSTOPPED(status):
        try:
            _, status = ptrace_requests.wait(pid)
        except ChildProcessError:
            return 0
        if os.WIFSTOPPED(status):
            with suppress(ProcessLookupError):
                ptrace_requests.request(ptrace_requests.CONT, pid)
    return status


def _stopped(pid: int) -> int:
    while True:
        found, status = ptrace_requests.wait(pid)
        if found and not os.WIFSTOPPED(status):
            raise ProcessLookupError(errno.ESRCH, f"thread {pid} ended just now")
        if found:
            return status


def _execute(thread: Thread, path: str, directory: str | None, targets: Targets) -> None:
    """Execute the program in the launching process, under a filter. It is left stopped in execve."""
    frame, regs, process = thread.frame, thread.regs, thread.process
    frame.load()
    stack = regs[RSP]
    count = int.from_bytes(read_memory(thread.pid, stack, 8), "little")
    numbers = NUMBERS[64]
    place = thread.buffer(1 << 16)
    if directory is not None:
        write_memory(thread.pid, place, os.fsencode(directory) + b"\0")
        thread.make_call(numbers["chdir"], place)
    process.filtered = _filter(thread, place, targets)
    write_memory(thread.pid, place, os.fsencode(path) + b"\0")
    thread.begin_call(numbers["execve"], place, stack + 8, stack + 8 * (count + 2))
    while True:
        thread.go(ptrace_requests.SYSCALL)
        status = thread.wait()
        if status >> 16 == ptrace_requests.EVENT_EXEC:
            return
        if ptrace_requests.is_forbidden(status):
            raise PermissionError(errno.EPERM, "a seccomp filter of this process forbids execve", path)
        if thread.stop_kind() == EXIT:
            frame.load()
            result = ctypes.c_int64(regs[RAX]).value
            if regs[RAX] != numbers["execve"]:
                raise OSError(-result, os.strerror(-result), path)


def _filter(thread: Thread, place: int, targets: Targets) -> bool:
    """Put a thread under a filter that stops the calls which matter for the targets; return whether that worked."""
    about, watched = targets.concerns(), targets.watched()
    wide, narrow = ([*rules(bits, **about), *_signal_rules(bits)] for bits in (64, 32))
    code = program(wide, narrow, watched)
    header = struct.pack("<HxxxxxxQ", len(code) // 8, place + 16)  # struct sock_fprog
    write_memory(thread.pid, place, header + code)
    call = (NUMBERS[64]["seccomp"], SECCOMP_SET_MODE_FILTER, 0, place)
    try:
        try:
            thread.make_call(*call)
        except PermissionError:  # only those with CAP_SYS_ADMIN may filter programs that could gain privileges
            thread.make_call(NUMBERS[64]["prctl"], PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            thread.make_call(*call)
    except OSError as error:
        if error.errno not in _UNFILTERED:
            raise
        return False
    return True


def _signal_rules(bits: int) -> list[Rule]:
    return [Rule(NUMBERS[bits][name]) for name in SIGNAL_CALLS if name in NUMBERS[bits]]


def _why_not(thread: int, pid: int) -> str:
    """Say why a thread of a process may not be traced, and what to do about it."""
    tracer = proc_maps.tracer_of(thread)
    if tracer:
        return f"process {pid} is traced already, by process {tracer}"
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    level = scope.read_text().strip() if scope.exists() else "0"
    return (
        f"not permitted to trace process {pid}: it takes the same user, and {scope} at 0 (it is {level}), or "
        "CAP_SYS_PTRACE (run as root)"
    )
