"""A program's stay in this process, from its first instruction to its end, whatever it becomes on the way.

The thread that calls `run` goes back and forth: into the program, out of it when it exits, is killed, executes another
program or cannot go on, and in again in the case of another program. A child of the program begins its life in the
middle of this, and never leaves it but to end.
"""

import ctypes
import mmap
import os
import signal
from typing import Final

from mmio.hosted import descriptor_calls, elf_image, initial_stack, seccomp_filter
from mmio.hosted.context import Context, beginning
from mmio.hosted.descriptors import Descriptors
from mmio.hosted.elf_image import Command
from mmio.hosted.errors import ADVICE, HostError
from mmio.hosted.exits import Ending, Executed, Exited, Killed, ThreadExited
from mmio.hosted.faults import Faults, Frames, leave
from mmio.hosted.process import Process
from mmio.hosted.program_area import Area
from mmio.hosted.raw_syscall import system_call
from mmio.hosted.signals import Signals
from mmio.hosted.syscalls import CONDITIONS, HostCalls, place
from mmio.hosted.thread import Thread
from mmio.hosted.threads import Threads, clear, robust_list_kept
from mmio.hosted.trampoline import ACCESS, CALL, CAUSE, OTHER, Crossing
from mmio.linux.seccomp import ARCH_64
from mmio.linux.syscall_table import NUMBERS
from mmio.program.redirect import Redirects
from mmio.program.syscalls import SystemCalls
from mmio.program.targets import Targets
from mmio.space.space import AddressSpace
from mmio.traces.trace import Trace

_BRK: Final = NUMBERS[64]["brk"]
_PRCTL: Final = NUMBERS[64]["prctl"]
_SET_NAME: Final = 15  # PR_SET_NAME
_SECCOMP: Final = 1  # SYS_SECCOMP, a SIGSYS's si_code
_ARCHITECTURE: Final = 28  # where siginfo has it
_TROUBLE: Final = 125
_NAME_LENGTH: Final = 15


class RunLoop:
    """One program in this process, and those it becomes.

    Args:
        targets: what is trapped.
        trace: where accesses are recorded.
    """

    def __init__(self, targets: Targets, trace: Trace) -> None:
        self._targets, self._trace = targets, trace
        self._calls = SystemCalls(targets, Redirects(targets, lambda: AddressSpace(trace)))
        self._area = Area()
        self._crossing = Crossing()
        self._frames = Frames()
        self._process = self._new_process()
        self._signals = Signals(self._crossing, self._process.memory)
        self._threads = Threads(self._frames, self._live)
        self._host_calls = HostCalls(self._area, self._signals, self._threads, self._forked)
        self._faults = Faults(self._signals, self._frames)
        self._descriptors = Descriptors()
        self._is_child = False
        self._refused = mmap.mmap(-1, mmap.PAGESIZE)  # shared with children: whether one has been refused something
        self._crossing.handle(ACCESS, self._faults.on_access)
        self._crossing.handle(OTHER, self._faults.on_signal)
        self._crossing.handle(CALL, self._on_call)
        seccomp_filter.begin(targets, CONDITIONS | descriptor_calls.conditions(), self._area.places)

    def run(self, command: Command, environment: list[bytes]) -> int:
        """Run a program to its end; return how it ended. Raises as `Host.run` does."""
        self._signals.begin()
        try:
            thread = Thread(self._process)
            with robust_list_kept():
                outcome = self._live(thread, self._load(thread, command, environment, self._signals.mask), 0)
            if isinstance(outcome, ThreadExited):
                self._frames.drop(thread)
                clear(thread)
            else:
                self._threads.end(outcome)
            self._threads.wait()
        finally:
            self._signals.end()
            self._descriptors.restore()
        status = _status(self._threads.ending or outcome)
        if self._refused[0]:
            raise HostError(f"{command.name} is not alone, and what its child wanted cannot be had here: {ADVICE}")
        return status

    def _live(self, thread: Thread, context: Context, fs_base: int) -> BaseException:
        """Go into the program, and again when it becomes another one; return why it was left."""
        while True:
            self._crossing.enter(context.address, fs_base, thread.signals.start)
            outcome = thread.outcome
            try:
                if isinstance(outcome, Executed):
                    context, fs_base = self._become(thread, outcome), 0
                    continue
            except Exception as error:
                outcome = error
            assert outcome is not None
            if self._is_child:
                self._end_child(outcome)
            return outcome

    def _load(self, thread: Thread, command: Command, environment: list[bytes], mask: int) -> Context:
        """Put a program into memory; return what its thread begins with."""
        program = elf_image.load(command.image, self._area)
        linker = None
        if command.image.interpreter is not None:
            linker = elf_image.load(elf_image.read(command.image.interpreter), self._area)
        pointer = initial_stack.build(self._area, command, environment, program, linker)
        self._host_calls.path = command.image.path
        name = ctypes.create_string_buffer(os.fsencode(os.path.basename(command.name)[:_NAME_LENGTH]))
        system_call(_PRCTL, _SET_NAME, ctypes.addressof(name))
        self._threads.add(thread)
        if self._targets.ranges:
            self._process.check_ranges()
            self._calls.trap_ranges(thread)
        return beginning(pointer, (linker or program).entry, mask, thread.signals)

    def _become(self, thread: Thread, what: Executed) -> Context:
        """Clear this process of a program, and load another one."""
        mask = thread.frame.signal_mask.value
        self._process.close()
        self._area.clear()
        self._descriptors.execute()
        self._signals.execute()
        self._process = self._new_process()
        self._signals.memory = self._process.memory
        thread.execute(self._process)
        return self._load(thread, what.command, what.environment, mask)

    def _new_process(self) -> Process:
        return Process(self._targets, self._trace, self._area.places)

    def _on_call(self, context: int, siginfo: int) -> None:
        """Answer a SIGSYS."""
        frame, regs, thread = self._frames[context]
        try:
            if regs[CAUSE] != _SECCOMP:  # not by the filter: the signal was sent
                if self._threads.ending is not None:
                    raise Ending
                self._faults.on_signal(context, siginfo)
                return
            if ctypes.c_uint32.from_address(siginfo + _ARCHITECTURE).value != ARCH_64:
                raise HostError(f"{self._host_calls.path} makes a 32-bit system call: {ADVICE}")
            call = thread.at(frame)
            bounced = call.number in CONDITIONS and self._calls.bounced(thread, call)
            finish = thread.on_exit
            if self._host_calls.answer(thread, thread.pending):
                if finish is not None:
                    finish()
            elif not bounced:
                place(self._area, thread, call)
                self._calls.entered(thread, call)
            thread.go_on(self._crossing.gate)
            while thread.done:  # the rest of a long transfer
                self._calls.entered(thread, thread.at(frame))
                thread.go_on(self._crossing.gate)
            if call.number == _BRK:
                self._calls.trap_ranges(thread)
        except BaseException as error:
            leave(thread, frame, error)

    def _forked(self, thread: Thread) -> None:
        """This is a new child now, with one thread."""
        self._is_child = True
        self._crossing.handle(ACCESS, self._faults.refuse_access)
        self._trace.enabled = False
        self._threads.forked(thread)

    def _end_child(self, outcome: BaseException) -> None:
        """End a child as its program has ended, or because it wants what it cannot have."""
        try:
            status = _status(outcome)
        except BaseException as error:
            self._refused[0] = 1
            os.write(self._descriptors.error(), f"pagetrap: process {os.getpid()}: {error}\n".encode())
            status = _TROUBLE
        if status >= 0:
            os._exit(status)
        signal.signal(-status, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-status])
        os.kill(os.getpid(), -status)


def _status(outcome: BaseException) -> int:
    """Return an exit status, or minus a signal; raise what is neither."""
    match outcome:
        case Exited():
            return outcome.status
        case Killed():
            return -outcome.number
        case _:
            raise outcome
