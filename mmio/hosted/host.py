"""Run a program in this process: an access costs a signal and no switch to another process.

The program's segments are mapped beside Python's, and the thread that calls `run` becomes the program's until that
ends. A seccomp filter picks the program's system calls that matter, by where they are made. What is done about them is
`mmio.program.syscalls`, as for a program in a process of its own, and before that `syscalls.py`.
"""

import ctypes
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mmio.hosted import elf_image
from mmio.hosted.errors import ADVICE, HostError
from mmio.hosted.run_loop import RunLoop
from mmio.linux import own_descriptors, proc_files
from mmio.linux.stacks import need_calls
from mmio.live.gil import need_gil
from mmio.patching.stats import TrapStats
from mmio.program.accessing import Accessing
from mmio.program.finding import find_program
from mmio.program.targeting import Targeting, program_arguments, program_environment
from mmio.records import inlined
from mmio.space.region import DeviceLike
from mmio.traces.trace import Trace

_HWCAP2: Final = 26  # AT_HWCAP2
_FSGSBASE: Final = 2  # HWCAP2_FSGSBASE
_CALLS: Final = 200  # nested calls of Python functions that it takes to answer a signal, with those of a simple model


class Host(Targeting):
    """Runs a program in this process and records what it does.

        host = Host()
        host.map_ports(0x378, 3, Flash())
        host.spawn(["flashrom", "-p", "rayer_spi", "-r", "contents.bin"])
        status = host.run()
        print(host.trace)

    Targets are named as those of a `Tracer`, and give the same records. The program's first thread is the one that
    calls `run`; its children run in processes of their own, and their accesses are made in this one. A program that
    goes wild can write over Python's memory as over its own, so this is for programs that are trusted.

    Args:
        trace: the accesses; a new one when left out.
        patching: instructions that access what is trapped again and again are rewritten where they stand, so that they
            call pagetrap and raise no signal. Without it the program's text stays as it is in its files.

    Attributes:
        trace: the accesses.
        patching: see above; it holds for `run`.
    """

    def __init__(self, trace: Trace | None = None, *, patching: bool = True) -> None:
        need_gil()
        super().__init__(trace)
        self.patching = patching
        self._stats = TrapStats(0, 0, 0, {})
        self._program: tuple[elf_image.Command, list[bytes]] | None = None
        self._loop: RunLoop | None = None

    @property
    def processes(self) -> list[int]:
        """Return the PIDs of the program and its children, the one first whose access is being made."""
        if self._loop is None:
            return [os.getpid()]
        return self._loop.processes

    @property
    def stats(self) -> TrapStats:
        """Counts of the accesses of the program's own process by the way they came, also while it runs."""
        return self._stats if self._loop is None else self._loop.patching.stats

    def map_ports(
        self, port: int, count: int, device: DeviceLike | None = None, name: str | None = None, **policies: Any
    ) -> None:
        """Map a device at IO ports, as `Tracer.map_ports`.

        Raises:
            HostError: there is no device: the program's rights to real ports would be our own.
        """
        if device is None:
            raise HostError(
                f"real ports cannot be traced in this process, which would share the program's right to them: {ADVICE}"
            )
        super().map_ports(port, count, device, name, **policies)

    def spawn(self, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None) -> int:
        """Name the program, which `run` starts; return the number of its process, which is this one.

        Raises:
            FileNotFoundError: there is no such program.
            OSError: it cannot be executed.
            HostError: it is not one that can run in this process.
        """
        arguments, environment = program_arguments(arguments), program_environment(environment)
        path = find_program(arguments[0], environment)
        if not ctypes.CDLL(None).getauxval(_HWCAP2) & _FSGSBASE:
            raise HostError(f"this CPU or kernel has no FSGSBASE, which the in-process engine needs: {ADVICE}")
        command = elf_image.command(path, [os.fsencode(argument) for argument in arguments])
        self._program = command, [os.fsencode(f"{name}={value}") for name, value in environment.items()]
        return os.getpid()

    def run(self) -> int:
        """Run the program and its children to their end; return its exit status, or minus the signal that killed it.

        The seccomp filter stays, for a filter cannot be removed, and processes started later inherit it. It looks only
        at calls made where the program's code was. A statically linked program at fixed addresses, started later by
        this process, may make calls there: SIGSYS would kill it. Run it from another process.

        Raises:
            KeyboardInterrupt: SIGINT has killed it, or came while its children were waited for.
            RecursionError: there is no room under the recursion limit to answer what the program does.
            Exception: whatever a device raised, `UnsupportedInstruction`, or `HostError`; the trace is complete up to
                there, and the program goes no further.
        """
        if self._program is None:
            raise ValueError("there is no program to run: spawn names it")
        if threading.active_count() > 1:
            raise HostError(f"signals of the program could come to a thread that was running before it: {ADVICE}")
        need_calls(_CALLS)  # what answers a signal could not tell that it has no room
        inlined.reader()  # to load it later would open files while the program's threads do
        own_descriptors.reserve()
        try:
            proc_files.hold()
            self._loop = RunLoop(self._targets, self.trace, patched=self.patching)
            status = self._loop.run(*self._program)
        finally:
            if self._loop is not None:
                self._stats = self._loop.patching.stats
            self._loop = None
            proc_files.release()
            own_descriptors.release()
        self.warn_of_unmatched()
        if status == -signal.SIGINT:
            raise KeyboardInterrupt
        return status

    @property
    def _accessing(self) -> Accessing | None:
        return None if self._loop is None else self._loop.accessing
