"""What a long run leaves behind in memory, and what it takes to look at its trace.

    python -m benchmarks.growth [--accesses 10000000] [--records 1000000]

It writes GROWTH.md. Each row is a process of its own. Growth is that of the resident set from after a warm-up to the
end; the peak is that of the whole process, VmHWM of proc(5).
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import made_by
from benchmarks.stream import INSTRUCTION
from decode import READ, READ_WRITE, WRITE
from mmio import Access, Trace, ioremap, writer
from mmio.records.events import Mapped

ACCESSES = 10_000_000
RECORDS = 1_000_000
WARM_UP = 50_000
REGISTERS = 50
RESULTS = Path(__file__).with_name("GROWTH.md")

_PROGRAM = """
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
int main(int argc, char **argv)
{
	volatile uint32_t *card = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, open("/dev/card", O_RDWR), 0);
	for (int part = 1; part < argc; part++) {
		for (long n = atol(argv[part]); n > 0; n--)
			(void)card[1];
		card[0] = 1;
	}
	return 0;
}
"""
"""Polls a register as often as each argument says, and writes another one after each."""

_LOOK = """
import sys
from mmio.commands.main import main
status = main(sys.argv[1:])
with open("/proc/self/status") as file:
    print(next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM")))
sys.exit(status)
"""
"""Runs a command and prints the peak; `benchmarks.stream.peak` is not used, for importing it takes more than `show`."""


class Card:
    """A device that answers its offset."""

    length = 4096

    def read(self, offset: int, width: int) -> int:
        """Return the offset."""
        return offset

    def write(self, offset: int, width: int, value: int) -> None:
        """Take anything."""


class Weighed(Card):
    """A device that notes the resident set and the time at each write."""

    def write(self, offset: int, width: int, value: int) -> None:
        """Add a line to the file `weighed` of the working directory."""
        with open("weighed", "a") as file:
            print(resident(), time.perf_counter(), file=file)


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


def hosted(folder: str, accesses: int, *options: str) -> tuple[int, float]:
    """Run a program in C under the hosted engine; return KiB of growth and µs an access."""
    root = Path(__file__).parents[1]
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O2", "-x", "c", "-", "-o", f"{folder}/poll"], input=_PROGRAM, text=True, check=True)
    Path(folder, "weighed").unlink(missing_ok=True)
    command = [sys.executable, "-m", "mmio", "run", "--engine=inprocess", "--quiet", *options]
    command += ["--device", f"{__file__}:Weighed@/dev/card", "--", "./poll", str(WARM_UP), str(accesses)]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    subprocess.run(command, check=True, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    (before, began), (after, ended) = (line.split() for line in Path(folder, "weighed").read_text().splitlines())
    return int(after) - int(before), (float(ended) - float(began)) / accesses * 1e6


def made(records: int) -> Iterator[Access]:
    """Return the accesses of a driver: of every thousand half are polls of one register, by two threads in turns.

    The others go to fifty registers and a buffer, with widths of 1 to 8 bytes, reads, writes and a few atomics.
    """
    at = 0
    for n in range(records):
        at += 100 + n * 7919 % 5000
        polled = n % 1000 < 500
        width = 4 if polled else (4, 1, 2, 4, 8)[n % 5]
        offset = 0x10 if polled else n % REGISTERS * 8 if n % 8 else 0x1000 + n // 8 * 8 % 0x1000
        direction = READ if polled or n % 3 else WRITE if n % 9 else READ_WRITE
        value = n & (1 << 8 * width) - 1
        yield Access(
            sequence=n,
            time=at,
            thread=4711 + n // 100_000 % 2,
            direction=direction,
            space="memory",
            address=0xFE000000 + offset,
            width=width,
            value=value,
            old=value ^ 1 if direction == READ_WRITE else None,
            ip=0x401000 + offset % 200,
            instruction=INSTRUCTION,
            region="card",
            offset=offset,
            register=f"buffer[{(offset - 0x1000) // 8}]" if offset >= 0x1000 else f"register_{offset // 8}",
        )


def make(path: str, records: int) -> None:
    """Write a trace of so many accesses."""
    with writer(path, every=4096) as file:
        file.write(Mapped(0, 0, 1, "memory", "card", 0xFE000000, 0x2000))
        for access in made(records):
            file.write(access)


def looked(command: str, *arguments: str) -> tuple[float | None, float, float]:
    """Run a command on a trace; return the seconds to the first byte and to the end, and the peak memory in MiB.

    Of a command that prints nothing there is no first byte. Raises CalledProcessError when the command fails.
    """
    whole = [sys.executable, "-c", _LOOK, command, *arguments]
    began = time.perf_counter()
    with subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0) as child:
        assert child.stdout is not None
        end = child.stdout.read(1)
        first = time.perf_counter() - began
        while piece := child.stdout.read(1 << 16):
            end = (end + piece)[-100:]
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, whole)
    *others, most = end.splitlines()
    return first if others else None, time.perf_counter() - began, float(most)


def looks(folder: str, name: str) -> Iterator[tuple[str, ...]]:
    """Return the commands to look at a trace of the folder by."""
    path = f"{folder}/{name}"
    yield from (("show", path, *options) for options in ((), ("--table",), ("--fold",)))
    yield "show", path, "--table", "--only", "card+0x10", "--since", "1ms"
    yield "show", path, "--timeline", f"{folder}/timeline.png"
    yield "show", path, "--heatmap", f"{folder}/heatmap.png"
    yield from (("convert", path, f"{folder}/other{suffix}") for suffix in (".jsonl", ".mmiotrace", ".vcd", ".json"))
    yield "diff", path, path


def grown(accesses: int) -> str:
    """Return the table of what accesses leave behind."""
    rows = [f"| {accesses:,} accesses | growth, KiB | µs an access |", "|---|---:|---:|"]
    with TemporaryDirectory() as folder:
        for name, path in (("the last 1,000 kept", ""), ("and JSON Lines", f"{folder}/long.jsonl")):
            command = [sys.executable, "-m", "benchmarks.growth", f"--child={path}", f"--accesses={accesses}"]
            growth, each = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rows.append(f"| in this process, {name} | {growth:,} | {each:.2f} |")
        for name, options in (("summed up", ()), ("and mmiotrace", ("-o", "long.mmiotrace"))):
            growth, each = hosted(folder, accesses, *options)
            rows.append(f"| a program under `run --engine=inprocess`, {name} | {growth:,} | {each:.2f} |")
    return "\n".join(rows)


def shown(records: int) -> str:
    """Return the table of what looking at a trace takes."""
    heading = f"| a trace of {records:,} accesses | first byte, s | all, s | peak memory, MiB |"
    rows = [heading, "|---|---:|---:|---:|"]
    with TemporaryDirectory() as folder:
        for name in ("run.jsonl", "run.mmiotrace"):
            make(f"{folder}/{name}", records)
            for command in looks(folder, name):
                first, whole, most = looked(*command)
                words = " ".join(word.removeprefix(f"{folder}/") for word in command)
                rows.append(f"| `{words}` | {'' if first is None else f'{first:.2f}'} | {whole:.2f} | {most:.0f} |")
                print(rows[-1], flush=True)
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the file."""
    parser = argparse.ArgumentParser("python -m benchmarks.growth")
    parser.add_argument("--accesses", type=int, default=ACCESSES, help="to make (default: %(default)s)")
    parser.add_argument("--records", type=int, default=RECORDS, help="of the trace to show (default: %(default)s)")
    parser.add_argument("--child", metavar="PATH", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child is not None:
        print(json.dumps(accessed(options.child, options.accesses)))
        return
    text = [
        "# Memory of long runs",
        made_by("python -m benchmarks.growth"),
        "Growth is that of the resident set from after a warm-up to the end; the peak is that of a process. A summary\n"
        "and a picture come when all has been read. `diff` holds both traces; the other commands read a trace once.",
        grown(options.accesses),
        shown(options.records),
    ]
    RESULTS.write_text("\n\n".join(text) + "\n")
    print(f"{RESULTS} is written")


if __name__ == "__main__":
    main()
