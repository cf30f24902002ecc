"""Run every mutant, or those whose name or module has a word given, and print which law or test noticed."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.mutants.judge import run
from tests.mutants.mutant import MmioMutant, Mutant
from tests.mutants.table import CONTROLS, MUTANTS


def main() -> None:
    """Print a line a mutant; exit with 1 when one was not noticed."""
    words = sys.argv[1:]
    chosen = [m for m in MUTANTS if not words or any(word in m.name or m.module.startswith(word) for word in words)]
    if not chosen:
        sys.exit(f"no mutant has any of these in its name or is in such a module: {' '.join(words)}")
    missed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        controls = [] if words else [(control, pool.submit(run, control)) for control in CONTROLS]
        for number, (mutant, judge) in enumerate(zip(chosen, pool.map(run, chosen), strict=True), 1):
            missed += not judge
            verdict = f"caught by: {judge}{_surprise(mutant, judge)}" if judge else "NOT CAUGHT"
            print(f"{number:>3}/{len(chosen)} {mutant.module:<26} {mutant.name:<70} {verdict}", flush=True)
    for control, future in controls:
        if judge := future.result():
            sys.exit(f"without any fault this fails, so nothing above means anything: {judge} ({control.name})")
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    sys.exit(missed > 0)


def _surprise(mutant: Mutant | MmioMutant, judge: str) -> str:
    """Say which judge was expected, if it was another one."""
    if isinstance(mutant, Mutant):
        return "" if judge == mutant.law else f", expected: {mutant.law}"
    return "" if judge in mutant.tests.split() else f", expected: {mutant.tests}"


if __name__ == "__main__":
    main()
