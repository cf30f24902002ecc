"""What an access of a whole program costs under each engine of `pagetrap run`: a process of its own, or this one.

In this one also by a signal each, and by frames alone: the device is then called by the emulator, not directly.

    python -m benchmarks.engines

Each run is a Python process of its own, which times the program from its first instruction to its end and reports
seconds and CPU seconds; the CPU time leaves out what a busy machine adds.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Timing, report

_SOURCE = Path(__file__).with_name("stops.c")
_CALLS = 50_000
_ROUNDS = 5
_ENGINES = "ptrace", "inprocess --no-patching", "inprocess by frames", "inprocess"
_RUN = """
import os, sys, time
from benchmarks.inprocess import Bare
from mmio.hosted import Host, patching
from mmio.ptrace import Tracer
patching.ONLY_FRAMES = "frames" in sys.argv[1]
engine = Tracer() if sys.argv[1] == "ptrace" else Host(patching="no-patching" not in sys.argv[1])
engine.map_ports(0x80, 1, Bare())
engine.map_file(sys.argv[5] if len(sys.argv) > 5 else "/nowhere", Bare(), length=0x1000)
engine.spawn(sys.argv[2:])
start, busy = time.perf_counter(), sum(os.times()[:4])
status = engine.run()
print(status, len(engine.trace), time.perf_counter() - start, sum(os.times()[:4]) - busy)
"""


def measure() -> list[tuple[str, list[Timing]]]:
    """Time the engines in one run, in turns."""
    with tempfile.TemporaryDirectory() as directory:
        program, file = Path(directory) / "stops", Path(directory) / "device"
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", program, _SOURCE], check=True)
        file.write_bytes(bytes(4096))
        load = [str(program), "access", str(_CALLS), str(file)]
        return [
            ("a load of a whole program", _compare(load)),
            ("a port write of a whole program", _compare([str(program), "port", str(_CALLS)])),
        ]


def _compare(command: list[str]) -> list[Timing]:
    taken: dict[tuple[str, str], list[float]] = {}
    for _ in range(_ROUNDS):
        for engine in _ENGINES:
            for what, seconds in zip(("elapsed", "CPU"), _run(engine, command), strict=True):
                taken.setdefault((engine, what), []).append(seconds / _CALLS * 1e9)
    return [
        Timing(
            f"{engine}, {what}",
            statistics.median(times),
            statistics.median(m / t for m, t in zip(times, taken["ptrace", what], strict=True)),
        )
        for (engine, what), times in taken.items()
    ]


def _run(engine: str, command: list[str]) -> tuple[float, float]:
    """Run a program under an engine; return seconds and CPU seconds."""
    done = subprocess.run([sys.executable, "-c", _RUN, engine, *command], capture_output=True, text=True, check=True)
    status, accesses, seconds, busy = done.stdout.split()
    if (int(status), int(accesses)) != (0, _CALLS):
        raise RuntimeError(f"{engine}: expected {_CALLS} accesses, recorded {accesses}; exit status {status}")
    return float(seconds), float(busy)


if __name__ == "__main__":
    report(measure())
