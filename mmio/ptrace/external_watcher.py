"""Watch this process from a second one that it starts for this purpose.

The handler of a fault is Python, and cannot run where Python or malloc stands in the middle of changing its own pages.
Another process can: it attaches to this one as a tracer, lets the pages trap, and does every access to them. What it
has seen it tells at the end, and the watchpoint hears of it then as if it happened.

    python -m mmio.ptrace.external_watcher PID START LENGTH

is the other process. It waits for a line, because the one to be traced may first have to permit it, answers with a line
when it is there, and, when it is interrupted, detaches and writes one line of JSON for each access to the bytes.
"""

import ctypes
import json
import os
import subprocess
import sys
from contextlib import suppress
from signal import SIGINT
from typing import Any, Final, NamedTuple

from decode import Direction, Instruction, decode
from mmio.errors import MappingError
from mmio.linux.libc import LIBC
from mmio.linux.prctl import PR_SET_PTRACER
from mmio.linux.proc_maps import tracer_of
from mmio.ptrace.tracer import Tracer
from mmio.records.region import RecordedRegion
from mmio.watchpoints.watch import Watch

_READY: Final = "ready\n"


class Who(NamedTuple):
    """Origin of an access, as a watchpoint needs it."""

    ip: int
    instruction: Instruction | None
    thread: int


class Outside:
    """The process that watches bytes of this one.

    Raises:
        MappingError: it cannot: the message has what it said.
    """

    def __init__(self, start: int, length: int) -> None:
        self._refusal = f"{start:#x}..{start + length:#x} cannot be watched from outside"
        # To be asked here: what a traced process starts may have arguments in pages that trap.
        if (tracer := tracer_of(os.getpid())) != 0:
            raise MappingError(f"{self._refusal}: this process is traced already, by process {tracer}")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mmio.ptrace.external_watcher", str(os.getpid()), str(start), str(length)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            process_group=0,  # a Ctrl-C is for us
        )
        LIBC.prctl(
            PR_SET_PTRACER, ctypes.c_ulong(self._process.pid), 0, 0, 0
        )  # fails where Yama is absent and no permission is needed
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        if self._process.stdout.readline() != _READY:
            reason = self._process.communicate()[1].strip().rpartition("\n")[2]
            raise MappingError(f"{self._refusal}: {reason}")

    def close(self, watch: Watch) -> None:
        """End the other process's watch, and report its hits to the watchpoint.

        Raises:
            MappingError: it has failed on the way. What it had seen by then is told.
        """
        self._process.send_signal(SIGINT)
        output, errors = self._process.communicate()
        for line in output.splitlines():
            direction, address, width, value, old, ip, code, thread = json.loads(line)
            instruction = decode(bytes.fromhex(code), 64) if code else None
            watch.seen(Who(ip, instruction, thread), Direction(direction), address, width, value, old, None)
        if self._process.returncode:
            raise MappingError(f"watching from outside has failed: {errors.strip().rpartition(chr(10))[2]}")


class _Witness:
    """Notes what touches some bytes, to be told later."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.seen_so_far: list[tuple[Any, ...]] = []

    def seen(
        self,
        who: Any,
        direction: Direction,
        address: int,
        width: int,
        value: int,
        old: int | None,
        region: RecordedRegion | None,
    ) -> None:
        code = "" if who.instruction is None else who.instruction.code.hex()
        self.seen_so_far.append((direction, address, width, value, old, who.ip, code, who.thread))


def main(pid: int, start: int, length: int) -> None:
    """Watch bytes of a process until interrupted, then say what touched them."""
    sys.stdin.readline()
    witness = _Witness(start, start + length)
    tracer = Tracer()
    tracer.trace.enabled = False
    tracer.map(start, length)
    tracer.witness(witness)
    try:
        with suppress(KeyboardInterrupt), tracer:
            tracer.attach(pid)
            print(_READY, end="", flush=True)
            tracer.run()
    finally:
        for access in witness.seen_so_far:
            print(json.dumps(access))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
