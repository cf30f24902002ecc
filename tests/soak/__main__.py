"""Run random scenarios under pagetrap, and say where they do not end as natively.

Each failure is printed with its seed and the command that repeats it; the exit status is 1 then.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from tests.campaign.run import host_cpu
from tests.soak import figures
from tests.soak.scenario import ENGINES, Scenario, scenario
from tests.soak.trial import Trial, run

_PAGE = figures.PATH.parent / "verification.md"
_SEEDS = 1_000_000  # scenarios of a seed before those of the next one begin


def main() -> None:
    """Parse the command line, run, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="begin no scenario after so long (60)")
    parser.add_argument("--seed", type=int, default=1, help="of the scenarios (1)")
    parser.add_argument("--engine", choices=ENGINES, help="one only; they take turns if left out")
    parser.add_argument("--jobs", type=int, default=1, help="scenarios at a time (1)")
    parser.add_argument("--scenario", type=int, metavar="NUMBER", help="only this one, and keep its files")
    parser.add_argument("--keep", type=Path, help="where files of failures are kept; a new directory if left out")
    parser.add_argument("--publish", action="store_true", help=f"write the figures to {_PAGE.name}")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
    engines = (options.engine,) if options.engine else ENGINES
    keep = options.keep or Path(tempfile.mkdtemp(prefix="pagetrap-soak-"))
    if options.scenario is not None:
        sys.exit(max(_tell(run(scenario(options.scenario, engine), keep, whatever=True)) for engine in engines))
    made = (scenario(options.seed * _SEEDS + number, engine) for number in itertools.count() for engine in engines)
    sums = {engine: figures.Figures(engine) for engine in engines}
    until = time.monotonic() + options.seconds
    for trial in _results(made, options.jobs, lambda: time.monotonic() < until, keep):
        sums[trial.scenario.engine].add(*trial)
        _tell(trial)
    print(*figures.table(sums.values()), sep="\n")
    if options.publish:
        report = figures.Report(tuple(sums.values()), options.seed, options.seconds, figures.system(host_cpu()))
        report.save()
        _PAGE.write_text(figures.replaced(_PAGE.read_text(), report))
    if not any(keep.iterdir()):
        keep.rmdir()
    sys.exit(any(column.failures for column in sums.values()))


def _results(made: Iterator[Scenario], jobs: int, goes_on: Callable[[], bool], keep: Path) -> Iterator[Trial]:
    pending: set[Future[Trial]] = set()
    with ThreadPoolExecutor(jobs) as pool:
        while goes_on() or pending:
            while goes_on() and len(pending) < jobs:
                pending.add(pool.submit(run, next(made), keep))
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def _tell(trial: Trial) -> int:
    """Print what is wrong with a scenario; return the exit status."""
    if trial.verdict.differences:
        print(trial, flush=True)
    return bool(trial.verdict.differences)


if __name__ == "__main__":
    main()
