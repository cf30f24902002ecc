"""`pagetrap doctor`, on this machine as it is and in processes that may do less."""

import os
import subprocess
import sys

import pytest

from mmio.linux.syscall_table import NUMBERS
from pagetrap.doctor import machine, report
from pagetrap.doctor.engines import ENGINES, NEEDED
from pagetrap.doctor.finding import Finding
from tests.native import ROOT
from tests.pagetrap.doctor.restricted import KILLED, doctor, examined

CALLS = NUMBERS[64]


def test_every_engine_works_here() -> None:
    """Where the tests run, all that is needed works: each engine has been tried, and the status is 0."""
    status, broken, found = examined()
    assert (status, broken) == (0, [])
    assert {name: found[name]["status"] for name in NEEDED} == dict.fromkeys(NEEDED, "ok")
    assert "by a call" in found["patching"]["detail"]
    assert found["mmio"]["detail"] == str(ROOT / "mmio")
    assert {finding["section"] for finding in found.values()} == {
        *("Python", "packages", "dependencies", "CPU", "kernel", "engines", "tools"),
    }


def test_refused_ptrace_is_told() -> None:
    """Where ptrace(2) is refused, programs cannot be traced, and the other engines are not concerned."""
    status, broken, found = examined(calls=[CALLS["ptrace"]])
    assert (status, broken) == (1, ["ptrace"])
    assert found["ptrace of a child"]["status"] == "absent"
    assert "Operation not permitted" in found["ptrace of a child"]["detail"]
    assert "not permitted to trace process" in found["ptrace"]["detail"]
    assert found["hosted"]["status"] == found["inprocess"]["status"] == "ok"
    assert "under a filter, no_new_privs is set" in found["seccomp"]["detail"]


def test_only_what_is_needed_counts() -> None:
    """`--need` names the engines that decide on the exit status."""
    status, broken, found = examined("--need", "inprocess", calls=[CALLS["ptrace"], CALLS["membarrier"]])
    assert (status, broken) == (0, [])
    assert found["ptrace"]["status"] == found["patching"]["status"] == "failed"


def test_a_probe_that_is_killed_is_a_line() -> None:
    """A filter that kills the process for a call ends the probe, not the report."""
    _, _, found = examined("--need", "inprocess", calls=[CALLS["userfaultfd"], CALLS["ptrace"]], action=KILLED)
    assert found["userfaultfd"]["detail"].startswith("ended by SIGSYS")
    assert found["ptrace of a child"]["detail"].startswith("ended by SIGSYS")
    assert "ended by SIGSYS" in found["ptrace"]["detail"]


def test_the_report_is_lines_under_headings() -> None:
    """As text: a section a heading, a finding a line with its state, and the verdict at the end."""
    done = doctor("--need", "ptrace", calls=[CALLS["ptrace"]])
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    assert [line for line in lines if not line.startswith(" ")] == [
        *("Python", "packages", "dependencies", "CPU", "kernel", "engines", "tools"),
        "does not work here: ptrace",
    ]
    assert any(line.startswith("  FAILED  ptrace: programs: trace, attach, run;") for line in lines)
    assert any(line.startswith("  ok      inprocess: ") for line in lines)


def _without_dependencies(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `pagetrap` in a Python that has no site-packages."""
    run = [sys.executable, "-S", "-m", "pagetrap", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(run, env=environment, capture_output=True, text=True, check=False, timeout=110)


def test_it_works_without_the_dependencies() -> None:
    """Without attrs and iced-x86 it says so, tries no engine, and fails."""
    done = _without_dependencies("doctor")
    assert (done.returncode, done.stderr) == (1, "")
    assert "  FAILED  attrs: not installed" in done.stdout
    assert "not tried: see attrs, iced-x86 above" in done.stdout
    assert done.stdout.endswith("does not work here: attrs, iced-x86, inprocess, patching, ptrace, hosted\n")


def test_the_other_commands_say_what_is_not_installed() -> None:
    """Without a dependency a command is one line, with the command that installs it."""
    done = _without_dependencies("decode", "90")
    assert (done.returncode, done.stdout) == (1, "")
    install = f"{sys.executable} -m pip install attrs iced-x86"
    assert done.stderr == f"pagetrap: not installed: attrs iced-x86; {install}\n"


@pytest.mark.parametrize(
    ("found", "needed", "broken"),
    [
        ([], ["ptrace"], ["ptrace"]),
        ([Finding("ptrace", "ok", "", "ptrace")], ["ptrace"], []),
        ([Finding("ptrace", "absent", "", "ptrace")], ["ptrace"], ["ptrace"]),
        ([Finding("guest", "absent", "", "guest")], [], []),
        ([Finding("attrs", "failed", "", "")], [], ["attrs"]),
        ([Finding("KVM", "failed", "", None)], [], []),
    ],
)
def test_the_verdict(found: list[Finding], needed: list[str], broken: list[str]) -> None:
    """An engine that is needed has to be found working, and nothing general may have failed."""
    assert report.broken(found, needed) == broken


def test_a_section_that_fails_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of a whole section is its only finding, and the report continues."""

    def fail() -> list[Finding]:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(machine, "cpu", fail)
    monkeypatch.setattr(report, "engines", lambda obstacle: [])
    found = list(report.examine())
    assert ("CPU", Finding("CPU", "failed", "could not be examined: RuntimeError: no such thing")) in found
    assert found[-1][0] == "tools"


def test_the_needed_engines_exist() -> None:
    """What is needed by default is a part of what is tried."""
    assert set(NEEDED) < set(ENGINES)
