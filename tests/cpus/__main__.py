"""Run the suites here and in guests with emulated CPUs, judge by the real CPU what differs, and write the pages.

A guest's campaign is kept in build/cpus/MODEL, so a run that was stopped continues. Exits with 1 when a difference or a
failed test is pagetrap's.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from tests.campaign import cpus
from tests.campaign.run import host_cpu
from tests.campaign.tally import State
from tests.cpus import arbiter, work
from tests.cpus.arbiter import Verdict
from tests.cpus.guest import QEMU, GuestFailed, Machine, known_models, qemu_version
from tests.cpus.kernel import Missing, find_kernel, make_initramfs
from tests.cpus.page import Judged, departures
from tests.oracle.host import vendor

# Without XSAVE, by two vendors; with AVX2, by two vendors; all that QEMU's emulation knows, which is not AVX-512.
MODELS = ("Nehalem", "Opteron_G3", "Haswell", "EPYC", "max")
_BUILD = work.TOP / "build/cpus"
_VERIFICATION, _PAGE = work.TOP / "docs/verification.md", work.TOP / "docs/qemu.md"


def main() -> None:
    """Parse the command line, run the guests, and write docs/cpus.json, docs/verification.md and docs/qemu.md."""
    parser = argparse.ArgumentParser(prog="python -m tests.cpus", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of `{QEMU} -cpu help` ({' '.join(MODELS)})")
    parser.add_argument("--cases", type=int, default=3, help="cases a form in each guest, its modes taking turns (3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="guests at a time, of two CPUs each (1)")
    parser.add_argument("--seconds", type=float, default=7200, help="how long a guest may take (7200)")
    parser.add_argument("--no-suites", action="store_true", help="the campaign only, without pytest")
    options = parser.parse_args()
    try:
        version = qemu_version()
        models = tuple(options.models) or MODELS
        if unknown := set(models) - known_models():
            parser.error(f"QEMU {version} has no CPU model called {' or '.join(sorted(unknown))}")
        kernel = find_kernel()
        machine = Machine(kernel, make_initramfs(kernel, _BUILD), seconds=options.seconds)
    except Missing as error:
        sys.exit(f"make test-cpus {error}")
    real = arbiter.truth(_BUILD / "silicon.json", options.cases, options.seed)
    natively = None if options.no_suites else work.run_suites(_BUILD / "silicon")
    script = work.script(options.cases, options.seed, suites=not options.no_suites)
    with ThreadPoolExecutor(options.jobs) as pool:
        try:
            list(pool.map(lambda model: machine.run(model, script, _BUILD / model), models))
        except GuestFailed as error:
            pool.shutdown(cancel_futures=True)
            sys.exit(str(error))
    guests = {model: _judged(_BUILD / model, real) for model in models}
    rows = cpus.record([_own(real, natively), *(_row(model, guest, version) for model, guest in guests.items())])
    _VERIFICATION.write_text(cpus.replaced(_VERIFICATION.read_text(), rows))
    if not options.models:
        _PAGE.write_text(departures(guests, version, options.cases, options.seed))
    sys.exit(_tell(guests) | bool(natively and natively.failed))


def _judged(results: Path, real: State) -> Judged:
    state = State.read(results / work.STATE)
    tests = work.tests(results)
    if tests is not None:
        tests = arbiter.refuted(tests, cpus.features(real) - cpus.features(state))
    return Judged(state, arbiter.differing(state, real), tests)


def _own(real: State, tests: work.Tests | None) -> cpus.Row:
    """Return the row of this machine's CPU, with the cases that `make campaign` has recorded if those are more."""
    row = cpus.row_of(real, host_cpu(), vendor(), silicon=True)
    row = next((known for known in cpus.load() if known.cpu == row.cpu and known.cases >= row.cases), row)
    return attrs.evolve(row, tests=str(tests)) if tests else row


def _row(model: str, guest: Judged, version: str) -> cpus.Row:
    name = f"QEMU {version} -cpu {model}"
    row = cpus.row_of(guest.state, name, work.vendor(_BUILD / model), silicon=False)
    tests = str(guest.tests) if guest.tests else ""
    return attrs.evolve(row, refuted=guest.count(Verdict.EMULATED), undecided=guest.count(Verdict.OPEN), tests=tests)


def _tell(guests: dict[str, Judged]) -> int:
    """Print a line a guest and what is pagetrap's; return the exit status."""
    status = 0
    for model, guest in guests.items():
        wrong = [name for name, verdict in guest.verdicts.items() if verdict is Verdict.PAGETRAP]
        failed = list(guest.tests.failed) if guest.tests else []
        counts = ", ".join(f"{guest.count(verdict)} {verdict.value}" for verdict in Verdict)
        print(f"{model}: differences: {counts}; tests: {guest.tests or 'not run'}")
        for line in (*wrong, *failed):
            print(f"    {line}")
        status |= bool(wrong or failed)
    return status


if __name__ == "__main__":
    main()
