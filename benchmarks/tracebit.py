"""The two ideas of the mail of November 2003, side by side: the trace bit, and doing the operation ourselves.

    python -m benchmarks.tracebit

Both trace the same program with ptrace, the same memory behind its mapping. The trace-bit tracer is C, as fast as it
can be had (tracebit.c); pagetrap is Python. A tracer outside the kernel makes two stops more an access than the kernel
would, to change the page's protection. So the two stops that the trace bit itself takes are timed alone as well:
nothing done that way is cheaper. Linux's mmiotrace loses no access to other CPUs because it takes them offline.
"""

import os
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mmio
from benchmarks.measure import Timing, compare, report

_SOURCE = Path(__file__).with_name("tracebit.c")
_CALLS = 5000
_BYTES = 0x10000  # of the copy
_PAUSE = 50_000  # turns of an empty loop, some tens of microseconds

WIDTHS = (1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 1, 4, 4, 4, 8, 16, 16, 4, 1, 4)
"""Operand widths in bytes of the forms in tracebit.c."""


@contextmanager
def _program() -> Iterator[tuple[str, str]]:
    """Compile the program; yield its path and that of the file it maps."""
    with tempfile.TemporaryDirectory() as directory:
        program, file = Path(directory) / "tracebit", Path(directory) / "device"
        command = [os.environ.get("CC", "cc"), "-O2", "-pthread", "-o", str(program), str(_SOURCE)]
        subprocess.run(command, check=True)
        file.write_bytes(bytes(_BYTES))
        yield str(program), str(file)


def _by_trace_bit(program: str, *arguments: str, how: str = "trace") -> list[int]:
    """Return how many accesses the trace-bit tracer saw, and then each one's width when they are looked at."""
    done = subprocess.run([program, how, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return [int(number) for number in done.stdout.split()]


class _Memory:
    """A device that holds bytes."""

    def __init__(self) -> None:
        self.data = bytearray(_BYTES)

    def read(self, offset: int, width: int) -> int:
        return int.from_bytes(self.data[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int) -> None:
        self.data[offset : offset + width] = value.to_bytes(width, "little")


def _by_pagetrap(file: str, *arguments: str, device: _Memory | None = None) -> mmio.Trace:
    tracer = mmio.Tracer()
    tracer.map_file(file, device, length=None if device is None else _BYTES)
    tracer.spawn(arguments)
    if tracer.run():
        raise RuntimeError(f"{' '.join(arguments)} failed")
    return tracer.trace


def counts() -> str:
    """Return what each of the two saw, as a Markdown table."""
    rows = ["| what is seen | trace bit | pagetrap |", "|---|---:|---:|"]
    with _program() as (program, file):
        for pause, how in ((0, "back to back"), (_PAUSE, "with a pause between")):
            race = ("race", str(_CALLS), str(pause), file)
            theirs, ours = _by_trace_bit(program, *race)[0], len(_by_pagetrap(file, program, *race))
            title = f"accesses lost of {2 * _CALLS:,}, two threads at one page, {how}"
            rows.append(f"| {title} | {2 * _CALLS - theirs:,} | {2 * _CALLS - ours:,} |")
        widths = defaultdict(set)
        for access in _by_pagetrap(file, program, "widths", file):
            widths[access.ip].add(access.width)
        found = [seen.pop() if len(seen) == 1 else 0 for _, seen in sorted(widths.items())]
        guessed = _by_trace_bit(program, "widths", file)[1:]
        rights = [sum(a == b for a, b in zip(each, WIDTHS, strict=True)) for each in (guessed, found)]
        rows.append(f"| operand widths right, of {len(WIDTHS)} forms | {rights[0]} | {rights[1]} |")
    return "\n".join(rows)


def measure() -> list[tuple[str, list[Timing]]]:
    """Time both in one run."""
    with _program() as (program, file):

        def trace_bit(how: str, *arguments: str) -> Callable[[int], None]:
            def run(calls: int) -> None:
                seen = _by_trace_bit(program, *(word.format(calls) for word in arguments), file, how=how)[0]
                if seen != (0 if how == "skip" else calls):
                    raise RuntimeError(f"expected {calls} accesses, the trace bit showed {seen}")

            return run

        def pagetrap(*arguments: str, device: _Memory | None = None) -> Callable[[int], None]:
            def run(calls: int) -> None:
                words = (word.format(calls) for word in arguments)
                seen = len(_by_pagetrap(file, program, *words, file, device=device))
                if seen != calls:
                    raise RuntimeError(f"expected {calls} accesses, traced {seen}")

            return run

        loads, copy = ("loads", "{}"), ("copy",)
        one = {
            "pagetrap, in Python": pagetrap(*loads),
            "trace bit, in C": trace_bit("trace", *loads),
            "trace bit, its two stops and nothing else": trace_bit("skip", *loads),
        }
        byte = {
            "pagetrap, in Python": pagetrap(*copy),
            "pagetrap, a device in Python asked for each": pagetrap(*copy, device=_Memory()),
            "trace bit, in C": trace_bit("trace", *copy),
        }
        return [
            ("a load, by either route", compare(one, calls=_CALLS, rounds=5)),
            ("a byte of a REP MOVSB of 64 KiB", compare(byte, calls=_BYTES, rounds=2)),
        ]


if __name__ == "__main__":
    report(measure())
    print(f"\n{counts()}")
