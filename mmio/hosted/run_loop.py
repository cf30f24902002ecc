"""Run loop of a hosted program: enter it, handle its system calls and faults, and enter what it executes.

The thread that calls `run` enters the program, and leaves it when the program exits, is killed, executes another one or
cannot continue. After execve it enters the new program. A child of the program is forked inside this loop, and leaves
the loop only to end. Children request their accesses from the first process (`children.py`), which therefore waits for
the last of them.
"""

import ctypes
import mmap
import os
import signal
from contextlib import nullcontext
from threading import Lock
from typing import Final

from mmio.errors import UnmappedAccess
from mmio.hosted import descriptor_calls, elf_image, initial_stack, seccomp_filter, vfork
from mmio.hosted.channel import Channel, channel_pair
from mmio.hosted.children import Children
from mmio.hosted.context import Context, beginning
from mmio.hosted.descriptors import Descriptors
from mmio.hosted.elf_image import Command
from mmio.hosted.ending import await_end
from mmio.hosted.endless_models import Interrupted, Watchdog
from mmio.hosted.errors import ADVICE, HostError
from mmio.hosted.exits import Ending, Executed, Exited, Killed, ThreadExited
from mmio.hosted.faults import Faults, Frames, PatchedFaults, leave
from mmio.hosted.mirror import RemoteError
from mmio.hosted.patching import Patching
from mmio.hosted.process import Process
from mmio.hosted.program_area import Area
from mmio.hosted.raw_syscall import system_call
from mmio.hosted.served import Client, ServedProcess, ServedRedirects
from mmio.hosted.signals import Signals
from mmio.hosted.syscalls import ANSWERS, HostCalls, place
from mmio.hosted.thread import Thread
from mmio.hosted.threads import Threads, clear, robust_list_kept
from mmio.hosted.trampoline import ACCESS, CALL, CAUSE, ONLY_STACK, OTHER, PROGRAM_FS, Crossing
from mmio.hosted.virtual_waits import LoopWaits
from mmio.linux.prctl import PR_SET_NAME
from mmio.linux.seccomp import ARCH_64
from mmio.linux.syscall_table import NUMBERS
from mmio.live.instruction_cache import InstructionCache
from mmio.live.signal_frame import RSP, SLOTS
from mmio.program.accessing import Accessing
from mmio.program.redirect import Redirects
from mmio.program.syscalls import SystemCalls
from mmio.program.targets import Targets
from mmio.program.time_calls import POLLING
from mmio.space.space import AddressSpace
from mmio.traces.trace import Trace

_BRK: Final = NUMBERS[64]["brk"]
_PRCTL: Final = NUMBERS[64]["prctl"]
_TEXT_CALLS: Final = frozenset({NUMBERS[64]["mprotect"], NUMBERS[64]["mmap"], NUMBERS[64]["mremap"]})
_SECCOMP: Final = 1  # SYS_SECCOMP, a SIGSYS's si_code
_ARCHITECTURE: Final = 28  # where siginfo has it
_INIT: Final = 1  # the parent of orphans
_NAME_LENGTH: Final = 15


class RunLoop:
    """Run loop of one program in this process, and of the programs that it executes.

    Args:
        targets: what is trapped.
        trace: where accesses are recorded.
        patched: instructions are patched that fault often.
    """

    def __init__(self, targets: Targets, trace: Trace, *, patched: bool = True) -> None:
        self._targets, self._trace = targets, trace
        redirects = Redirects(targets, lambda: AddressSpace(trace))
        self._calls = SystemCalls(targets, redirects)
        self._children = Children(targets, trace, redirects, self._child_failed)
        self._client: Client | None = None  # in a child of the program
        self._vfork_parent: Channel | None = None  # to the parent that waits in vfork for this child
        self._vfork_children: set[Channel] = set()  # to children for which this process waits in vfork
        self._fork_lock = Lock()  # held while a child forked by another thread would inherit a descriptor of this one's
        self._area = Area([range(target.start, target.end) for target in targets.fixed_devices])
        self._crossing = Crossing()
        self._frames = Frames()
        self._process = self._new_process()
        self._signals = Signals(self._crossing, self._process.memory)
        self._threads = Threads(self._frames, self._run_thread, self._several_threads)
        self._host_calls = HostCalls(self._area, self._signals, self._threads, self)
        instructions = InstructionCache(SLOTS)
        self.patching = Patching(
            self._crossing, self._area, [range(each.start, each.end) for each in targets.ranges], instructions, trace
        )
        self._patched = patched
        self._faults = Faults(self._signals, self._frames, instructions)
        handlers = [Faults.on_access.__code__, RunLoop._on_call.__code__]
        if patched:
            self._faults = faults = PatchedFaults(self._signals, self._frames, self.patching, instructions)
            self._on_stub = on_stub = faults.stub_handler()
            self._crossing.handle_calls(on_stub)
            handlers += PatchedFaults.on_access.__code__, on_stub.__code__
            self.patching.begin(self._process)
            self._frames.dropped = lambda thread: self.patching.direct.forget(thread.signals.start)
        self._watchdog = Watchdog([*handlers], self._signals)
        self._descriptors = Descriptors()
        self._program_has_ended = mmap.mmap(-1, mmap.PAGESIZE)  # memory shared with children: its first byte is 1 then
        self._first_pid = os.getpid()
        self._waits: LoopWaits | None = None
        time = self._calls.follow_time()
        if time is not None:
            handlers.append(Faults.on_signal.__code__)
            self._waits = LoopWaits(time, self._signals, self._frames, self._threads, handlers)
            time.time.waiter = self._waits
            time.looks_on = True
        self._crossing.handle(ACCESS, self._faults.on_access)
        self._crossing.handle(OTHER, self._faults.on_signal)
        self._crossing.handle(CALL, self._on_call)
        host_calls = dict.fromkeys(ANSWERS, ()) | descriptor_calls.conditions()
        if time is not None:
            host_calls |= {NUMBERS[64][name]: () for name in POLLING}
        seccomp_filter.begin(targets, host_calls, self._area.places)

    @property
    def processes(self) -> list[int]:
        """Return the PIDs of the program and its children, first that of the process whose access is being made."""
        own, children = [os.getpid()], self._children.pids
        return children + own if self._children.is_serving else own + children

    @property
    def accessing(self) -> Accessing:
        """Return the process whose access is being made."""
        if self._children.is_serving:
            return Accessing(self._children.pids[0], None)
        return Accessing(os.getpid(), self._process)

    def run(self, command: Command, environment: list[bytes]) -> int:
        """Run a program to its end; return how it ended. Raises as `Host.run` does."""
        self._signals.begin()
        self._watchdog.start()
        if self._waits is not None:
            self._waits.start()
        try:
            thread = Thread(self._process)
            with robust_list_kept():
                outcome = self._run_thread(thread, self._load(thread, command, environment, self._signals.mask), 0)
            if isinstance(outcome, ThreadExited):
                self._frames.drop(thread)
                clear(thread)
            else:
                self._threads.end(outcome)
            self._threads.wait()
        finally:
            self._watchdog.stop()
            if self._waits is not None:
                self._waits.stop()
            self._signals.end()
            self._process.release_reserved()
            self._descriptors.restore()
            self.patching.end()
        outcome = self._threads.ending or outcome
        if not isinstance(outcome, Exited | Killed | Interrupted):
            self._children.kill()
        self._program_has_ended[0] = 1
        if self._children.count:
            with self._children.serving_paused():
                self._descriptors.close()
            self._children.send_death_signals()
        ended_by = await_end(self._children)
        return -ended_by or _status(outcome)

    def _run_thread(self, thread: Thread, context: Context, fs_base: int) -> BaseException:
        """Enter the program with a thread, and again after each execve; return the reason why it was left."""
        while True:
            try:
                self._crossing.enter(context.address, fs_base, thread.signals.start)
            except Interrupted as late:  # the model had returned
                thread.outcome = late
            outcome = thread.outcome
            try:
                if isinstance(outcome, Executed):
                    context, fs_base = self._exec(thread, outcome), 0
                    continue
            except Exception as error:
                outcome = error
            assert outcome is not None
            if self._client is not None:
                self._end_child(self._client, outcome)
            return outcome

    def _load(self, thread: Thread, command: Command, environment: list[bytes], mask: int) -> Context:
        """Map a program; return the initial context of its thread."""
        program = elf_image.load(command.image, self._area)
        linker = None
        if command.image.interpreter is not None:
            linker = elf_image.load(elf_image.read(command.image.interpreter), self._area)
        pointer = initial_stack.build(
            self._area, command, environment, program, linker, vdso=not self._targets.time_calls
        )
        self._crossing.words[ONLY_STACK] = thread.signals.start  # its only thread
        self._host_calls.path = command.image.path
        name = ctypes.create_string_buffer(os.fsencode(os.path.basename(command.name)[:_NAME_LENGTH]))
        system_call(_PRCTL, PR_SET_NAME, ctypes.addressof(name))
        self._threads.add(thread)
        if self._targets.ranges:
            self._process.check_ranges()
            self._calls.trap_ranges(thread)
        return beginning(pointer, (linker or program).entry, mask, thread.signals)

    def _exec(self, thread: Thread, what: Executed) -> Context:
        """Unmap the program, and load the one that it executes; return the initial context of its thread."""
        mask = thread.frame.signal_mask.value
        self._release_parent()
        before = self._process
        before.close()
        before.release_reserved()
        self.patching.end()
        self._area.clear()
        if self._client is not None:  # instructions of different programs at one address could not be distinguished
            self._area.move_on(thread.pid)
        with self._children.serving_paused() if self._client is None else nullcontext():
            self._descriptors.execute()
        self._signals.execute()
        self._process = self._new_process()
        self._process.port_rights.granted = before.port_rights.granted
        self._signals.memory = self._process.memory
        if self._patched:
            self.patching.begin(self._process)
        thread.execute(self._process)
        return self._load(thread, what.command, what.environment, mask)

    def _new_process(self) -> Process:
        if self._client is not None:
            return ServedProcess(self._targets, self._area.places, self._client)
        process = Process(self._targets, self._trace, self._area.places)
        process.space.lock = self._children.access_lock
        return process

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
            call = thread.stop_at_call(frame)
            answered = call.number in ANSWERS or call.number in descriptor_calls.WITH_POINTERS
            bounced = answered and self._calls.bounced(thread, call)
            finish = thread.on_exit
            if self._host_calls.answer(thread, thread.pending):
                if finish is not None:
                    finish()
            elif not bounced:
                place(self._area, thread, call)
                if call.number in _TEXT_CALLS:
                    self.patching.text_changes(call.arguments[0], call.arguments[0] + call.arguments[1])
                self._calls.entered(thread, call)
            thread.resume(self._crossing.gate)
            while thread.done:  # the rest of a long transfer
                self._calls.entered(thread, thread.stop_at_call(frame))
                thread.resume(self._crossing.gate)
            if call.number == _BRK:
                self._calls.trap_ranges(thread)
            if self._client is not None:
                self._client.report_matched()
        except BaseException as error:
            leave(thread, frame, error)

    def _on_access_locked(self, context: int, siginfo: int) -> None:
        with self._children.access_lock:
            self._faults.on_access(context, siginfo)

    def _on_stub_locked(self, context: int) -> None:
        with self._children.access_lock:
            self._on_stub(context)

    def _several_threads(self) -> None:
        """Take note that the program is about to have more than one thread."""
        self._crossing.words[ONLY_STACK] = 0

    def fork(self, thread: Thread, is_vfork: bool) -> int:
        """Make a child; return its PID, and 0 in it, where `thread` is the only one. Raises OSError."""
        if self._targets.time_calls:
            raise HostError(f"{self._host_calls.path} makes a process, which cannot have virtual time here: {ADVICE}")
        with self._fork_lock:
            ours, theirs = channel_pair() if is_vfork else (None, None)
            try:
                if self._client is None:
                    self._crossing.handle(ACCESS, self._on_access_locked)
                    self.patching.direct.forbid()  # accesses take turns with those of children from now on
                    if self._patched:
                        self._crossing.handle_calls(self._on_stub_locked)
                if ours is not None:
                    self._vfork_children.add(ours)
                pid, client = (self._client or self._children).fork()
                if client is not None:
                    self._vfork_parent, theirs = theirs, self._vfork_parent
            except OSError:
                self._close_vfork_channel(ours)
                raise
            finally:
                if theirs is not None:
                    theirs.close()
        if client is not None:
            try:
                self._become_child(thread, client)
            except OSError as error:
                raise HostError(f"a child cannot be served: {error}; {ADVICE}") from error
        elif ours is not None:
            alone = self._threads.count == 1
            places = self._area.places if alone else [vfork.stack_above(thread.regs[RSP], thread.regs[PROGRAM_FS])]
            vfork.wait_and_copy_back(pid, ours, places)
            with self._fork_lock:
                self._close_vfork_channel(ours)
        return pid

    def _become_child(self, thread: Thread, client: Client) -> None:
        """Set up a new child: the process, its client of the server, and its only thread."""
        self._client = client
        self._watchdog.forget()
        self._fork_lock = Lock()
        for channel in list(self._vfork_children):
            self._close_vfork_channel(channel)
        self._trace.enabled = False
        self._crossing.handle(ACCESS, self._faults.on_access)
        if self._patched:
            self._crossing.handle_calls(self._on_stub)
        self._calls = SystemCalls(self._targets, ServedRedirects(self._targets, client))
        before, self._process = self._process, self._new_process()
        self._process.inherit(before)
        before.close()
        self._signals.memory = self._process.memory
        self.patching.stop(self._process.own_memory)
        self._threads.keep_only(thread)
        thread.become_child(self._process)

    def _close_vfork_channel(self, channel: Channel | None) -> None:
        if channel is not None:
            self._vfork_children.discard(channel)
            channel.close()

    def _release_parent(self) -> None:
        """Release the parent that waits in vfork for this child, if one does."""
        if self._vfork_parent is not None:
            vfork.release_parent(self._vfork_parent)
            self._vfork_parent = None

    def be_alone(self) -> None:
        """Leave no thread in this process but the program's."""
        self._watchdog.stop()

    def prepare_for_children(self) -> None:
        """Start what serves children now, because no thread can be made later. Raises OSError."""
        if self._client is None:
            self._children.start_serving()

    def parent(self) -> int | None:
        """Return the PID of the parent that this process has natively; None if the kernel's answer is right.

        The program's process waits for its children, so the kernel still calls it their parent after the program's end.
        """
        orphaned = self._client is not None and self._program_has_ended[0] and os.getppid() == self._first_pid
        return _INIT if orphaned else None

    def end_with_parent(self, number: int) -> None:
        """Ask for a signal at the end of this process's parent; 0 for none."""
        if self._client is not None:
            self._client.notify("death_signal", number)

    def _child_failed(self, error: BaseException) -> None:
        """End the program because a child has failed."""
        self._threads.end(error)

    def _end_child(self, client: Client, outcome: BaseException) -> None:
        """End a child as its program has ended; end the run with an error if the child cannot continue."""
        try:
            status = _status(outcome)
        except BaseException as error:
            client.fail_run(isinstance(error, RemoteError | UnmappedAccess), str(error))
        self._release_parent()
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
        case Killed() | Interrupted():
            return -outcome.number
        case _:
            raise outcome
