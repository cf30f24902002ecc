"""Run random cases on the CPU and on pagetrap, and print where they differ.

    python -m tests.campaign [--bits 64] [--seconds 60] [--seed 1] [FORM ...]

FORM is a pattern of iced-x86 `Code` names, such as 'ADD_*' or '*VMOVDQU*'. The hypothesis laws are for every day and
shrink what they find; this is for the night: ten times as many cases in the same time.
"""

from __future__ import annotations

import argparse
import collections
import fnmatch
import random
import re
import signal
import time

from iced_x86 import Code_

from tests.cases.build import random_case
from tests.cases.forms import CODE_NAMES, Unbuildable, all_codes
from tests.oracle.case import CannotRun, Case
from tests.oracle.judge import differences
from tests.oracle.pagetrap import PagetrapEngine
from tests.oracle.silicon import SiliconEngine


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("forms", nargs="*", default=["*"], metavar="FORM")
    parser.add_argument("--bits", type=int, choices=(64, 32, 16), default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    codes = [
        code
        for code in all_codes(options.bits)
        if any(fnmatch.fnmatchcase(CODE_NAMES[code], pattern) for pattern in options.forms)
    ]
    if not codes:
        parser.error(f"no form is called {' or '.join(options.forms)} in {options.bits}-bit code")
    with SiliconEngine() as silicon:
        Campaign(silicon, options.bits, random.Random(options.seed)).run(codes, options.seconds)


class Campaign:
    """Counts what happened, and prints the first difference of each form."""

    def __init__(self, silicon: SiliconEngine, bits: int, source: random.Random) -> None:
        self.silicon = silicon
        self.pagetrap = PagetrapEngine()
        self.bits = bits
        self.source = source
        self.count = collections.Counter[str]()
        self.unsupported = collections.Counter[str]()
        self.differing = collections.Counter[str]()
        self.absent = collections.Counter[str]()

    def run(self, codes: list[Code_], seconds: float) -> None:
        """Run cases of all codes in turn until the time is over, and print the sums."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for code in codes:
                try:
                    self._one(CODE_NAMES[code], random_case(self.source, code, self.bits))
                except Unbuildable:
                    self.count["not built"] += 1
            codes = [code for code in codes if CODE_NAMES[code] not in self.unsupported]
        print(", ".join(f"{number:,} {what}" for what, number in self.count.most_common()))
        for what, forms in (("differ", self.differing), ("are not emulated", self.unsupported)):
            print(f"{len(forms)} forms {what}: {' '.join(sorted(forms))}")
        print(f"#UD here and not in pagetrap, so taken as lacking: {' '.join(sorted(self.absent))}")

    def _one(self, form: str, case: Case) -> None:
        try:
            ours = self.pagetrap.run(case)
        except CannotRun:
            self.unsupported[form] += 1
            return
        except Exception as error:
            self._report(form, case, [f"pagetrap raises {error!r}"])
            return
        try:
            truth = self.silicon.run(case)
        except CannotRun as error:
            self.count[f"not run, because {re.split('[:,]', str(error))[0]}"] += 1
            return
        if truth.fault is not None and truth.fault.number == signal.SIGILL and ours.fault != truth.fault:
            self.absent[form] += 1
            return
        self.count["equal" if truth.fault is None else "equal faults"] += 1
        if lines := differences(case, truth, ours):
            self._report(form, case, lines)

    def _report(self, form: str, case: Case, lines: list[str]) -> None:
        if not self.differing[form]:
            print(form, case, *lines, sep="\n    ", flush=True)
        self.differing[form] += 1


if __name__ == "__main__":
    main()
