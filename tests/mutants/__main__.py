"""Run every mutant, or those whose names contain a word given, and print which law noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.mutants.table import CONTROL, MUTANTS, Mutant

TIMEOUT = 1800


def run(mutant: Mutant) -> str:
    """Return the law that noticed a mutant, "" when none did.

    Raises:
        RuntimeError: the process that is to be faulty could not even begin.
    """
    number = MUTANTS.index(mutant) if mutant in MUTANTS else -1
    command = (sys.executable, "-m", "tests.mutants.subject", str(number), mutant.operations)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    if done.returncode:
        raise RuntimeError(f"{mutant.name}: {done.stderr}")
    return done.stdout.strip()


def main() -> None:
    """Print a line a mutant; exit with 1 when one was not noticed."""
    words = sys.argv[1:]
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]
    missed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        control = None if words else pool.submit(run, CONTROL)
        for mutant, law in zip(chosen, pool.map(run, chosen), strict=True):
            missed += not law
            surprise = f", expected: {mutant.law}" if law and law != mutant.law else ""
            print(f"{mutant.name:<70} {f'caught by: {law}{surprise}' if law else 'NOT CAUGHT'}", flush=True)
    if control is not None and (law := control.result()):
        sys.exit(f"without any fault this law fails, so nothing above means anything: {law}")
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
