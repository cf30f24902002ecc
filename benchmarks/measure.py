"""Time alternatives side by side: interleaved rounds, medians, ratios.

Absolute times on a shared machine mean little. Each round runs every alternative once, one after the other, so that a
slow moment hits them all; what is reported is the median of the rounds and, against the first alternative, the median
of the ratios round by round.
"""

import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen


@frozen
class Timing:
    """One alternative: its name, nanoseconds a call, and times the first alternative."""

    name: str
    nanoseconds: float
    ratio: float


@frozen
class Taken:
    """The time that the work itself took, in nanoseconds."""

    nanoseconds: int


def compare(
    alternatives: Mapping[str, Callable[[int], object]],
    calls: int = 20_000,
    rounds: int = 15,
    now: Callable[[], int] = time.perf_counter_ns,
) -> list[Timing]:
    """Run every alternative in every round.

    Args:
        alternatives: by name, functions that do their work as many times as they are told. One that has to prepare it
            returns the time without that, as `Taken`.
        calls: times a round.
        rounds: how many rounds, after one that is not counted.
        now: the time in ns. `time.thread_time_ns` is for work of this thread, on a machine that has other work.
    """
    times: dict[str, list[float]] = {name: [] for name in alternatives}
    for round_ in range(rounds + 1):
        for name, run in alternatives.items():
            start = now()
            taken = run(calls)
            if round_:
                elapsed = taken.nanoseconds if isinstance(taken, Taken) else now() - start
                times[name].append(elapsed / calls)
    first = next(iter(times.values()))
    return [
        Timing(
            name,
            statistics.median(taken),
            statistics.median(mine / theirs for mine, theirs in zip(taken, first, strict=True)),
        )
        for name, taken in times.items()
    ]


def made_by(command: str) -> str:
    """Return a sentence that says by which command figures are made, at which commit, on which machine."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    where = f"{_processor()}, Linux {platform.release()}, Python {platform.python_version()}"
    return f"Made by `{command}` at commit {commit.stdout.strip() or 'unknown'} on {where}."


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def table(title: str, timings: list[Timing]) -> str:
    """Return one comparison as a Markdown table."""
    rows = [f"| {t.name} | {t.nanoseconds / 1000:.2f} | {t.ratio:.2f} |" for t in timings]
    return "\n".join([f"| {title} | µs | times the first |", "|---|---:|---:|", *rows])


def report(measured: list[tuple[str, list[Timing]]]) -> None:
    """Print comparisons."""
    print("\n\n".join(table(title, timings) for title, timings in measured))
