"""What it takes to stream a long trace to a file: time against the bare library, and memory, which must not grow.

    python -m benchmarks.stream [--records 10000000]

The records are those of a driver that polls and sets fifty registers, each by an instruction of its own, and now and
then fills a buffer word by word. They go through a trace that keeps few of them, to a writer that passes on thousands
at a time. The bare alternative makes the same rows as dicts and gives them to `json.dumps` and `file.write`, or to
pyarrow; it records nothing. Each runs in a process of its own, so that memory can be distinguished.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import asdict, frozen

from benchmarks.measure import Timing, compare, report
from decode import READ, decode
from mmio import AddressSpace, Device, Trace, array, register, writer

RECORDS = 200_000
BATCH = 1 << 12  # lines
GROUP = 1 << 14  # rows
START = 0xFE000000
IP = 0x401000
INSTRUCTION = decode(bytes.fromhex("8b4710"))  # mov eax,[rdi+10h]
TEXT = INSTRUCTION.format(ip=IP)
REGISTERS = 50
FILLED = 0x10000  # bytes of the buffer
EVERY = 8  # which record goes to the buffer


class Card(Device):
    """A device with as many registers as a small network card, and a buffer."""

    control = register(0)
    status = array(4, count=REGISTERS - 1)
    buffer = array(0x1000, count=FILLED // 4)


REGION = AddressSpace().map(START, Card.layout.extent, Card(), "card")


def offset(n: int) -> int:
    """Return where record n goes."""
    return 0x1000 + n // EVERY * 4 % FILLED if n % EVERY == 0 else n % REGISTERS * 4


def row(n: int) -> dict[str, Any]:
    """Return record n as a dict."""
    at = offset(n)
    return {
        "sequence": n,
        "time": time.monotonic_ns(),
        "thread": 4711,
        "direction": "R",
        "space": "memory",
        "address": START + at,
        "width": 4,
        "value": n & 0xFFFFFFFF,
        "region": "card",
        "offset": at,
        "register": REGION.name_at(at, 4),
        "ip": IP + at % 200,
        "code": "8b4710",
        "bits": 64,
        "text": TEXT,
    }


Run = Callable[[int], None]
"""Writes so many more records."""


def pagetrap(files: ExitStack, path: str, every: int) -> Run:
    """Record accesses and stream them to a file."""
    record = Trace(keep=1000, sinks=[files.enter_context(writer(path, every=every))]).record
    numbers = count()

    def run(records: int) -> None:
        for n in islice(numbers, records):
            at = offset(n)
            record(READ, "memory", START + at, 4, n & 0xFFFFFFFF, IP + at % 200, INSTRUCTION, REGION, at, 0, 4711)

    return run


def bare_json(files: ExitStack, path: str) -> Run:
    """Write rows with `json.dumps`."""
    file = files.enter_context(open(path, "w"))  # noqa: SIM115 (it is entered)
    numbers = count()

    def run(records: int) -> None:
        for n in islice(numbers, records):
            file.write(json.dumps(row(n)) + "\n")

    return run


def bare_parquet(files: ExitStack, path: str) -> Run:
    """Write rows with pyarrow, a group at a time."""
    from pyarrow import Table  # here, so that it does not count as memory of JSON Lines
    from pyarrow.parquet import ParquetWriter

    file = files.enter_context(ParquetWriter(path, Table.from_pylist([row(0)]).schema))
    numbers = count()

    def run(records: int) -> None:
        while records:
            rows = [row(n) for n in islice(numbers, min(records, GROUP))]
            file.write_table(Table.from_pylist(rows))
            records -= len(rows)

    return run


def measure() -> list[tuple[str, list[Timing]]]:
    """Time both formats against the bare library."""
    with TemporaryDirectory() as folder, ExitStack() as files:
        lines = {
            "json.dumps, file.write": bare_json(files, f"{folder}/bare.jsonl"),
            f"Trace and JSON Lines, {BATCH:,} a batch": pagetrap(files, f"{folder}/ours.jsonl", every=BATCH),
            "Trace and JSON Lines, each at once": pagetrap(files, f"{folder}/each.jsonl", every=1),
        }
        groups = {
            "Table.from_pylist, write_table": bare_parquet(files, f"{folder}/bare.parquet"),
            f"Trace and Parquet, {GROUP:,} a group": pagetrap(files, f"{folder}/ours.parquet", every=GROUP),
        }
        return [
            ("one record to JSON Lines", compare(lines, calls=GROUP, rounds=7)),
            ("one record to Parquet", compare(groups, calls=GROUP, rounds=7)),
        ]


@frozen
class Streamed:
    """A long trace in one file: its size, peak memory (MiB) at a tenth of the way and at the end, and µs a record."""

    name: str
    mib: float
    tenth: float
    end: float
    microseconds: float


def peak() -> float:
    """Return the most memory this process has had, in MiB.

    VmHWM of proc(5): what getrusage(2) says begins with the memory of the process that made this one.
    """
    return int(re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024


def stream(path: str, records: int) -> Streamed:
    """Write so many records to a file, in this process."""
    began = time.perf_counter()
    with ExitStack() as files:
        run = pagetrap(files, path, every=BATCH if path.endswith(".jsonl") else 1 << 16)
        run(records // 10)
        tenth = peak()
        run(records - records // 10)
    taken = (time.perf_counter() - began) / records * 1e6
    place = Path(path)
    size = sum(part.stat().st_size for part in (place.iterdir() if place.is_dir() else [place]))
    return Streamed(place.name, size / 2**20, tenth, peak(), taken)


def memory(records: int) -> str:
    """Return a table of what streaming so many records takes, each format in a process of its own."""
    rows = [
        f"| {records:,} records streamed | MiB | peak memory at 1/10, MiB | at the end | µs a record |",
        "|---|" + "---:|" * 4,
    ]
    with TemporaryDirectory() as folder:
        for name in ("run.jsonl", "run.parquet", "run/"):
            command = [
                sys.executable,
                "-m",
                "benchmarks.stream",
                "--child",
                f"{folder}/{name}",
                "--records",
                str(records),
            ]
            done = Streamed(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            rows.append(f"| {name} | {done.mib:,.1f} | {done.tenth:.1f} | {done.end:.1f} | {done.microseconds:.2f} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.stream")
    parser.add_argument("--records", type=int, default=RECORDS, help="of the long trace (default: %(default)s)")
    parser.add_argument("--child", metavar="PATH", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        print(json.dumps(asdict(stream(options.child, options.records))))
        return
    report(measure())
    print(f"\n{memory(options.records)}")


if __name__ == "__main__":
    main()
