"""What a guest does: a campaign of few cases of every form, and the suites; and what came of it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import attrs

from tests.cpus.sample import SILICON

TOP = Path(__file__).parents[2]
# tests/emulate/test_silicon.py is the law that the campaign checks, with other cases of the same forms. The law of the
# order of accesses and that of the checked ranges are for real CPUs: their cases meet alignment checks, which QEMU
# leaves out, and take half an hour. So do killing a tracer a hundred times and calls at each distance from Python's
# recursion limit, which have to do with no CPU. Storms of signals fill an emulated CPU's time.
SUITES = (
    *(
        "tests/decode",
        "tests/emulate",
        "--ignore=tests/emulate/test_silicon.py",
        "--ignore=tests/emulate/test_order.py",
        "--deselect=tests/decode/test_checked_ranges.py::test_silicon_faults_nowhere_else",
    ),
    *("tests/mmio/formats", "tests/mmio/inprocess", "tests/mmio/ptrace"),
    "--ignore=tests/mmio/inprocess/test_signal_storm.py",
    "--ignore=tests/mmio/inprocess/test_recursion.py",
    "--deselect=tests/mmio/ptrace/test_journal.py::test_every_access_is_made_once_whenever_the_tracer_is_killed",
)
STATE, JUNIT, CPUINFO = "verification.json", "junit.xml", "cpuinfo"
_JUDGED = f"properties/property[@name='{SILICON}']"
_EXAMPLES = 2
_NOT_THERE = "'a guest has a /tmp of its own: keep the checkout elsewhere'"
_STOPS = 2000  # of each thread in a test of the ptrace engine


def script(cases: int, seed: int, suites: bool) -> str:
    """Return the shell script that a guest runs; what it writes goes to /mnt."""
    python = shlex.quote(sys.executable)
    lines = [
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root",
        f"export PAGETRAP_EXAMPLES={_EXAMPLES} PAGETRAP_STOPS={_STOPS}",
        f"cd {shlex.quote(str(TOP))} || {{ echo {_NOT_THERE}; exit 1; }}",
        f"cp /proc/cpuinfo /mnt/{CPUINFO}",
        f"{python} -m tests.campaign --cases {cases} --seed {seed} --state /mnt/{STATE}",
    ]
    if suites:
        options = f"-p no:cacheprovider -p tests.cpus.sample -v -n 2 --dist loadgroup --junit-xml=/mnt/{JUNIT}"
        # They import numpy and pyarrow, which are built for x86-64-v2.
        lines.append(f"! grep -q sse4_2 /proc/cpuinfo || {python} -m pytest {options} {' '.join(SUITES)}")
    return "\n".join(lines)


def run_suites(results: Path) -> Tests | None:
    """Run the suites that a guest runs on this machine's CPU, whole; return what they reported.

    Args:
        results: the folder for the report.
    """
    results.mkdir(parents=True, exist_ok=True)
    (results / JUNIT).unlink(missing_ok=True)
    options = ("-q", "-p", "no:cacheprovider", "-n", "auto", "--dist", "loadgroup", f"--junit-xml={results / JUNIT}")
    subprocess.run([sys.executable, "-m", "pytest", *options, *SUITES], cwd=TOP, check=False)
    return tests(results)


def vendor(results: Path) -> str:
    """Return the vendor of a guest's CPU."""
    found = re.search(r"^vendor_id\s*: (\S+)", (results / CPUINFO).read_text(), re.MULTILINE)
    return found[1] if found else "unknown"


@attrs.frozen
class Tests:
    """What pytest reported: how many passed and skipped, and the failures, by name, with their first line.

    Attributes:
        passed, skipped: how many.
        failed: tests that failed.
        silicon: of those, the ones that the CPU judges, by node ID.
        refuted: tests that failed, and pass where the real CPU is the judge: see `arbiter.refuted`.
    """

    passed: int
    skipped: int
    failed: dict[str, str]
    silicon: dict[str, str] = attrs.field(factory=dict)
    refuted: dict[str, str] = attrs.field(factory=dict)

    def __str__(self) -> str:
        parts = [f"{self.passed:,} passed"]
        others = {"failed": len(self.failed), "skipped": self.skipped, "the emulated CPU's errors": len(self.refuted)}
        return ", ".join(parts + [f"{count:,} {word}" for word, count in others.items() if count])


def tests(results: Path) -> Tests | None:
    """Return what the suites reported; None when they have not been run."""
    path = results / JUNIT
    if not path.exists():
        return None
    failed: dict[str, str] = {}
    silicon: dict[str, str] = {}
    passed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        problems: Iterable[ElementTree.Element] = [*case.iter("failure"), *case.iter("error")]
        for problem in problems:
            name = f"{case.get('classname')}::{case.get('name')}"
            failed[name] = (problem.get("message") or "").partition("\n")[0]
            silicon.update({found.get("value", ""): name for found in case.iterfind(_JUDGED)})
        skip = case.find("skipped") is not None
        skipped += skip
        passed += not problems and not skip
    return Tests(passed, skipped, failed, silicon)
