"""What emulating many distinct instructions costs: memory, and the longest step.

    python -m benchmarks.distinct --instructions 1000000

Each emulator keeps compiled instructions up to a bound. Every process here executes one distinct instruction after
another and looks at its memory on the way, at the CPU time of each step, and at how often Python's garbage collector
visits all objects, also with a few million objects of the caller's to visit. "nothing kept" compiles each instruction
and drops it: what its longest step takes is not the cache.
"""

import argparse
import gc
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import asdict, frozen

from benchmarks.measure import Timing, compare, report
from benchmarks.step import CODE, DEVICE, STEP, Device
from decode import decode
from decode.cache import SIZE
from emulate import Cpu, Emulator
from emulate.builder import Settings
from emulate.compiler import compile_instruction

INSTRUCTIONS: Final = 1_000_000
_OPENINGS: Final = tuple(map(bytes.fromhex, ("8b87", "899f", "0187", "3b8f", "480b97", "c5fe6f87")))  # and disp32
_OBJECTS: Final = 3_000_000


def instructions(first: int = 0) -> Iterator[bytes]:
    """Yield distinct instructions without end: loads, stores and additions at [rdi+displacement]."""
    for number in itertools.count(first):
        yield _OPENINGS[number % len(_OPENINGS)] + (0x1000 + number).to_bytes(4, "little")


@frozen
class Executed:
    """What one process found.

    Attributes:
        memory: MiB after a hundredth, a tenth and all of the instructions.
        median, longest: CPU time of a step in µs.
        collections: of all objects.
    """

    memory: tuple[float, ...]
    median: float
    longest: float
    collections: int


def memory_now() -> float:
    """Return the memory this process has, in MiB (statm of proc(5))."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def execute(count: int, emulators: int, objects: int, kept: bool) -> Executed:
    """Execute so many distinct instructions in this process, by some emulators in turns, beside other objects."""
    heap = [[number] for number in range(objects)]
    bus, cpu = Device(), Cpu(rdi=DEVICE)
    machines = [Emulator(bus) for _ in range(emulators)]
    settings = Settings()

    def drop(cpu: Cpu, code: bytes) -> None:
        compile_instruction(decode(code), settings).run(cpu, bus)

    ways: list[Callable[[Any, bytes], object]] = [machine.step for machine in machines] if kept else [drop]
    before = gc.get_stats()[2]["collections"]
    marks: list[float] = []
    taken = []
    longest = 0
    clock = time.thread_time_ns
    for number, code in zip(range(count), instructions(), strict=False):
        way = ways[number % len(ways)]
        began = clock()
        way(cpu, code)
        ended = clock() - began
        if ended > longest:
            longest = ended
        if number % 1000 == 0:
            taken.append(ended)
        if number + 1 in (count // 100, count // 10, count):
            marks.append(memory_now())
    collections = gc.get_stats()[2]["collections"] - before
    assert len(heap) == objects
    return Executed(tuple(marks), statistics.median(taken) / 1000, longest / 1000, collections)


def memory(count: int) -> str:
    """Return a table of what so many distinct instructions take, each row in a process of its own."""
    rows = [
        f"| {count:,} distinct instructions | MiB after 1/100 | after 1/10 | at the end | "
        "µs a step | the longest, ms | full collections |",
        "|---|" + "---:|" * 6,
    ]
    for name, options in (
        ("one emulator", []),
        ("eight emulators of equal settings", ["--emulators", "8"]),
        (f"one emulator, {_OBJECTS:,} objects of the caller's", ["--objects", str(_OBJECTS)]),
        (f"nothing kept, {_OBJECTS:,} objects of the caller's", ["--objects", str(_OBJECTS), "--drop"]),
    ):
        command = [sys.executable, "-m", "benchmarks.distinct", "--child", "--instructions", str(count), *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        got = Executed(**json.loads(done.stdout))
        rows.append(
            f"| {name} | {' | '.join(f'{mib:.1f}' for mib in got.memory)} | {got.median:.1f} | "
            f"{got.longest / 1000:.1f} | {got.collections} |"
        )
    return "\n".join(rows)


def measure() -> list[tuple[str, list[Timing]]]:
    """Time first sights in a cache that is full and in one that is not, and what has left the recent generation."""
    bus, cpu = Device(), Cpu(rdi=DEVICE)
    full, roomy = Emulator(bus), Emulator(bus, cache_size=1 << 24)
    fresh = instructions()
    for code in itertools.islice(fresh, 2 * SIZE):
        full.step(cpu, code)
    older = list(itertools.islice(fresh, SIZE // 2))

    def seen(calls: int) -> None:
        for _ in range(calls):
            full.step(cpu, CODE)

    def first_sight(emulator: Emulator) -> Callable[[int], None]:
        def run(calls: int) -> None:
            for code in itertools.islice(fresh, calls):
                emulator.step(cpu, code)

        return run

    def round_about(calls: int) -> None:
        for code in itertools.islice(itertools.cycle(older), calls):
            roomy.step(cpu, code)

    alternatives = {
        STEP: seen,
        f"{SIZE // 2:,} seen before, in turns": round_about,
        "first sight, the cache not full": first_sight(roomy),
        "first sight, the cache full": first_sight(full),
    }
    return [("one load or store, by what the cache has", compare(alternatives, calls=5000))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.distinct")
    parser.add_argument("--instructions", type=int, default=INSTRUCTIONS, help="how many (default: %(default)s)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--emulators", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--objects", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--drop", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        done = execute(options.instructions, options.emulators, options.objects, not options.drop)
        print(json.dumps(asdict(done)))
        return
    report(measure())
    print(f"\n{memory(options.instructions)}")


if __name__ == "__main__":
    main()
