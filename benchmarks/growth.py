"""What a long run leaves behind in memory, and what it takes to show its trace.

    python -m benchmarks.growth [--accesses 10000000] [--records 1000000]

Each row is a process of its own. Growth is that of the resident set from after a warm-up to the end.
"""

import argparse
import ctypes
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.stream import pagetrap
from mmio import Trace, ioremap, writer

ACCESSES = 10_000_000
RECORDS = 1_000_000
WARM_UP = 50_000


class Card:
    """A device that answers its offset."""

    length = 4096

    def read(self, offset: int, width: int) -> int:
        """Return the offset."""
        return offset

    def write(self, offset: int, width: int, value: int) -> None:
        """Take anything."""


def resident() -> int:
    """Return the resident set of this process in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def poll(word: ctypes.c_uint32, times: int) -> int:
    """Read a register so often; return the last value."""
    value = 0
    for _ in range(times):
        value = word.value
    return value


def accessed(path: str, accesses: int) -> tuple[int, float]:
    """Make accesses in this process, the trace streamed to a file or bounded; return KiB of growth and µs each."""
    with ExitStack() as files:
        sinks = [files.enter_context(writer(path, every=4096))] if path else []
        mapping = files.enter_context(ioremap(Card(), trace=Trace(keep=1000, sinks=sinks)))
        word = ctypes.c_uint32.from_address(mapping.address)
        poll(word, WARM_UP)
        before, began = resident(), time.perf_counter()
        poll(word, accesses)
        return resident() - before, (time.perf_counter() - began) / accesses * 1e6


def shown(path: str, *options: str) -> tuple[float, float, int]:
    """Show a trace; return the seconds to the first line and to the end, and the peak memory in MiB."""
    script = "import sys; from mmio.commands.main import main; main(sys.argv[1:]); from benchmarks.stream import peak; "
    command = [sys.executable, "-c", script + "print(round(peak()))", "show", path, *options]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        first = time.perf_counter() - began
        for following in child.stdout:
            line = following
    return first, time.perf_counter() - began, int(line)


def memory(accesses: int, records: int) -> str:
    """Return the tables."""
    rows = [f"| {accesses:,} accesses in this process | growth, KiB | µs an access |", "|---|---:|---:|"]
    with TemporaryDirectory() as folder:
        for name, path in (("the last 1,000 kept", ""), ("and JSON Lines", f"{folder}/long.jsonl")):
            command = [sys.executable, "-m", "benchmarks.growth", f"--child={path}", f"--accesses={accesses}"]
            grown, each = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rows.append(f"| {name} | {grown:,} | {each:.2f} |")
        heading = f"| `show` of {records:,} accesses | first line, s | all, s | peak memory, MiB |"
        rows += ["", heading, "|---|---:|---:|---:|"]
        for name in ("run.jsonl", "run.mmiotrace"):
            with ExitStack() as files:
                pagetrap(files, f"{folder}/{name}", every=4096)(records)
            for options in ((), ("--table",)):
                first, whole, most = shown(f"{folder}/{name}", *options)
                rows.append(f"| {' '.join((name, *options))} | {first:.2f} | {whole:.2f} | {most} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.growth")
    parser.add_argument("--accesses", type=int, default=ACCESSES, help="made in this process (default: %(default)s)")
    parser.add_argument("--records", type=int, default=RECORDS, help="of the trace to show (default: %(default)s)")
    parser.add_argument("--child", metavar="PATH", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child is not None:
        print(json.dumps(accessed(options.child, options.accesses)))
        return
    print(memory(options.accesses, options.records))


if __name__ == "__main__":
    main()
