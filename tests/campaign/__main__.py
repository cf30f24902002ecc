"""Run random cases on the CPU and on the emulator, or on Unicorn, and write down where they differ.

The hypothesis laws are for every day; this is for the night. What it finds is kept in a file, so that it can be stopped
at any time and continues where it was; asked for more cases, it makes just those that are missing.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
from pathlib import Path

from tests.campaign import cpus
from tests.campaign.report import verification
from tests.campaign.run import Campaign, forms, host_cpu, identity
from tests.campaign.tally import State
from tests.campaign.trial import MODES
from tests.campaign.unicorn_report import departures, is_comparable
from tests.oracle.hidden import hidden
from tests.oracle.host import vendor

_PAGES = {
    "pagetrap": (Path("verification.json"), Path("docs/verification.md"), verification),
    "unicorn": (Path("verification-unicorn.json"), Path("docs/unicorn.md"), departures),
}


def main() -> None:
    """Parse the command line, run, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("forms", nargs="*", metavar="FORM", help="patterns of iced-x86 Code names, such as 'ADD_*'")
    parser.add_argument("--cases", type=int, default=200, help="cases a form, its modes taking turns (200)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=tuple(_PAGES), default="pagetrap", help="what silicon judges")
    parser.add_argument("--bits", type=int, choices=MODES, help="cases of one mode only")
    parser.add_argument("--seconds", type=float, help="stop after so long")
    parser.add_argument("--state", type=Path, help="where to keep what was found; no page is written then")
    options = parser.parse_args()
    codes = {n: c for n, c in forms().items() if options.engine == "pagetrap" or is_comparable(c)}
    if options.forms:
        codes = {n: c for n, c in codes.items() if any(fnmatch.fnmatchcase(n, pattern) for pattern in options.forms)}
        if not codes:
            parser.error(f"no form that can be verified is called {' or '.join(options.forms)}")
    path, page, write = _PAGES[options.engine]
    path = options.state or path
    state = State.load(path, identity(options.engine, options.seed, options.bits))
    try:
        Campaign(state, path, options.cases, codes).run(options.seconds)
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
    for name in codes:
        for kind, mismatch in state.tallies[name].mismatches.items() if options.forms and name in state.tallies else ():
            print(f"{name}, {kind}: {mismatch.text}", mismatch.case, *mismatch.lines, sep="\n    ")
    if not options.forms and options.state is None:
        if options.engine == "pagetrap" and options.bits is None and not hidden():
            cpus.record([cpus.row_of(state, host_cpu(), vendor(), silicon=True)])
        page.write_text(write(state))
        print(f"{page} is written")


if __name__ == "__main__":
    main()
