"""Run a scenario: natively, and under pagetrap with whatever goes wrong meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from mmap import mmap
from pathlib import Path
from random import Random
from typing import Final

from attrs import frozen

from tests.mmio.ptrace.programs import compiled
from tests.native import ROOT
from tests.soak.scenario import ATTACH, Scenario

LENGTH: Final = 4 * 4096
"""Bytes of the device."""

TIMEOUT: Final = 120
"""Seconds until a run counts as hung."""

_AFTERWARDS: Final = 20  # seconds that what was killed, or orphaned, has to be gone
_TARGET: Final = Path(__file__).parent / "target.c"
_FLAGS: Final = ("-O1", "-g", "-pthread", "-mno-red-zone")  # target.c pushes within its inline assembly
_TRACE: Final = "run.jsonl"
_READY: Final = 99  # a stage that no script waits for
# Runs a command with a file system of its own, of $1 bytes; copies what is there, and ends as the command.
_MOUNTING: Final = """
mount -t tmpfs -o size="$1" tmpfs full || exit 124
shift
"$@"
status=$?
cp full/* .
[ $status -lt 129 ] || kill -$((status - 128)) $$
exit $status
"""
_MODEL: Final = """
class Ram:
    length = {length:#x}

    def __init__(self):
        with open("device", "rb") as file:
            self.data = bytearray(file.read())

    def read(self, offset, width):
        return int.from_bytes(self.data[offset : offset + width], "little")

    def write(self, offset, width, value):
        self.data[offset : offset + width] = value.to_bytes(width, "little")
"""


@frozen
class Counters:
    """What the program counted, in the order of `target.c`; accesses are reads, writes and atomics."""

    started: tuple[int, int, int]
    done: tuple[int, int, int]
    operations: int
    pid: int
    stage: int
    signals: int
    jumps: int
    forks: int
    execs: int
    threads: int
    mappings: int
    calls: int


@frozen
class Outcome:
    """How a run ended.

    Attributes:
        status: of the program, or of pagetrap that hands it on; -n for signal n.
        output: what the program printed.
        complaints: what was printed to standard error.
        contents: of the device's file.
        counters: what the program counted.
        trace: the file of the trace, whether it is there or not.
        tracer_status: of `pagetrap attach`; None otherwise.
        killed: whether the signal from outside was sent.
        hung: the stacks of what did not end, "" when all did.
        left: processes that were there afterwards.
    """

    status: int
    output: str
    complaints: str
    contents: bytes
    counters: Counters
    trace: Path
    tracer_status: int | None = None
    killed: bool = False
    hung: str = ""
    left: tuple[str, ...] = ()


def native(scenario: Scenario, directory: Path) -> Outcome:
    """Run the program of a scenario without pagetrap, in a new directory."""
    run = _Run(scenario, directory)
    run.set_stage(_READY)
    program = run.start(run.program, "")
    run.wait(program)
    return run.outcome(program)


def traced(scenario: Scenario, directory: Path) -> Outcome:
    """Run a scenario, in a new directory."""
    run = _Run(scenario, directory)
    if scenario.way == ATTACH:
        return _attached(run)
    (directory / "models.py").write_text(_MODEL.format(length=LENGTH))
    what = ["--map", "*/device"] if scenario.way == "trace" else ["--device", f"models.py:Ram@{directory}/device"]
    pagetrap = run.start(run.pagetrap(scenario.way, f"--engine={scenario.engine}", *what, "--", *run.program), "")
    kill = scenario.kill
    if kill:
        run.wait(pagetrap, until=lambda: sum(run.counters().started) >= kill.after)
        run.kill(pagetrap.pid if kill.victim == "tracer" else run.counters().pid, kill.number)
    run.wait(pagetrap)
    return run.outcome(pagetrap)


def _attached(run: _Run) -> Outcome:
    """Attach to the program where it waits for that, and let it continue once the tracer has gone."""
    program = run.start(run.program, "")
    place = run.scenario.words.index("y1")
    run.wait(program, until=lambda: run.counters().pid != 0 and run.counters().operations >= place)
    command = run.pagetrap(ATTACH, "-p", str(run.counters().pid), "--map", "*/device")
    pagetrap = run.start(command, "tracer-")
    run.wait(pagetrap, until=run.has_records)
    kill = run.scenario.kill
    enough = sum(run.counters().started) + (kill.after if kill else 0)
    run.set_stage(1)
    if kill:
        run.wait(pagetrap, until=lambda: sum(run.counters().started) >= enough)
        run.kill(pagetrap.pid, kill.number)
        run.wait(pagetrap)
    run.set_stage(_READY)
    run.wait(program)
    run.wait(pagetrap)
    return run.outcome(program, pagetrap)


class _Run:
    """A run in a directory of its own, by which its processes are known."""

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.scenario = scenario
        self.directory = directory.resolve()
        self.program = [compiled(_TARGET.read_text(), *_FLAGS), "device", "counters", str(scenario.flags)]
        self.program += scenario.words
        (directory / "device").write_bytes(Random(scenario.seed).randbytes(LENGTH))
        (directory / "counters").write_bytes(bytes(4096))
        with open(directory / "counters", "r+b") as file:
            self._counters = mmap(file.fileno(), 0)
        self._deadline = time.monotonic() + TIMEOUT
        self._killed = False
        self._hung = ""
        self._on_tmpfs = scenario.tmpfs and bool(_mounter())
        if self._on_tmpfs:
            (directory / "full").mkdir()

    def counters(self) -> Counters:
        """Return what the program has counted so far."""
        words = memoryview(self._counters).cast("Q")
        return Counters((words[0], words[1], words[2]), (words[3], words[4], words[5]), *words[6:16])

    def set_stage(self, stage: int) -> None:
        """Let the program continue where it waits for a stage."""
        memoryview(self._counters).cast("Q")[8] = stage

    def has_records(self) -> bool:
        """Return whether the trace has an access."""
        try:
            return b'"sequence":0,"time"' in (self.directory / _TRACE).read_bytes()
        except OSError:
            return False

    def pagetrap(self, way: str, *arguments: str) -> list[str]:
        """Return the command line of pagetrap."""
        output = "/dev/full" if self.scenario.disk == 0 else f"full/{_TRACE}" if self._on_tmpfs else _TRACE
        shown = ["--live", "--fold"] if self.scenario.live else []
        options = ["-q", *shown, "-o", output, "--format", "jsonlines", *arguments]
        return [sys.executable, "-X", "faulthandler", "-m", "mmio", way, *options]

    def start(self, command: list[str], prefix: str) -> subprocess.Popen[bytes]:
        """Start a process under the limits of the scenario."""
        limits = ""
        if self.scenario.limit is not None:
            limits += f"ulimit {'-S' * self.scenario.soft} -n {self.scenario.limit}; "
        if self.scenario.disk and self._on_tmpfs:
            if command is not self.program:
                command = [*_mounter(), "/bin/sh", "-c", _MOUNTING, "sh", str(self.scenario.disk), *command]
        elif self.scenario.disk:
            limits += f"ulimit -f {self.scenario.disk // 512}; "  # POSIX has it in units of 512 bytes
        with open(self.directory / f"{prefix}out", "wb") as out, open(self.directory / f"{prefix}err", "wb") as err:
            return subprocess.Popen(
                ["/bin/sh", "-c", f'{limits}exec "$@"', "sh", *command],
                cwd=self.directory,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def wait(self, process: subprocess.Popen[bytes], until: Callable[[], bool] | None = None) -> None:
        """Wait until a process ends, or something holds; past the deadline, kill everything."""
        while process.poll() is None and not (until and until()):
            if time.monotonic() > self._deadline:
                self._hung += "".join(_stacks(pid) for pid in self._processes())
                process.send_signal(signal.SIGABRT)  # for faulthandler
                with suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                self._kill_all()
                process.wait()
            elif until:
                time.sleep(0.0005)
            else:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(1)

    def kill(self, pid: int, number: int) -> None:
        """Send a signal to a process of this run, if it is still there."""
        with suppress(ProcessLookupError, OSError):
            handle = os.pidfd_open(pid)
            try:
                if str(pid) in self._processes():
                    signal.pidfd_send_signal(handle, number)
                    self._killed = True
            finally:
                os.close(handle)

    def outcome(self, process: subprocess.Popen[bytes], tracer: subprocess.Popen[bytes] | None = None) -> Outcome:
        """Return how it ended, when all of it has."""
        deadline = time.monotonic() + _AFTERWARDS
        while (left := tuple(map(_described, self._processes()))) and time.monotonic() < deadline:
            time.sleep(0.01)
        if left:
            self._kill_all()
        complaints = b"".join(path.read_bytes() for path in sorted(self.directory.glob("*err")))
        return Outcome(
            process.wait(),
            (self.directory / "out").read_text(errors="replace"),
            complaints.decode(errors="replace"),
            (self.directory / "device").read_bytes(),
            self.counters(),
            self.directory / _TRACE,
            tracer.wait() if tracer else None,
            self._killed,
            self._hung,
            left,
        )

    def _processes(self) -> list[str]:
        """Return the processes that run in the directory, but for those that are dying."""
        return [pid for pid in filter(str.isdigit, os.listdir("/proc")) if self._is_ours(pid)]

    def _is_ours(self, pid: str) -> bool:
        try:
            return os.readlink(f"/proc/{pid}/cwd") == str(self.directory)
        except OSError:
            return False

    def _kill_all(self) -> None:
        while processes := self._processes():
            for pid in processes:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.01)


@cache
def _mounter() -> tuple[str, ...]:
    """Return the command that gives another one a view of the file systems in which it may mount; empty without."""
    for command in (("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")):
        with suppress(OSError):
            tried = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
            if tried.returncode == 0:
                return command
    return ()


def _described(pid: str) -> str:
    return f"{pid} {_text(f'/proc/{pid}/cmdline')[:120]}"


def _stacks(pid: str) -> str:
    """Return where the threads of a process are."""
    return "".join(_lines(pid))


def _lines(pid: str) -> Iterator[str]:
    yield f"{_described(pid)}\n"
    for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
        state = [line for line in _text(f"{task}/status").splitlines() if line.startswith(("State", "Tracer", "Sig"))]
        yield f"  {task.name} {_text(f'{task}/wchan')} {_text(f'{task}/syscall').strip()} {' '.join(state)}\n"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").replace("\0", " ").replace("\t", " ")
    except OSError as error:
        return f"({error.strerror})"
