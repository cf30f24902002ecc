"""The program that the engines are tried with."""

import signal
import subprocess
from pathlib import Path

from pagetrap.doctor.engines import engines, executable


def test_the_program_reads_where_nothing_is(tmp_path: Path) -> None:
    """By itself it ends by SIGSEGV: what it exits with under pagetrap comes from the device."""
    program = tmp_path / "probe"
    program.write_bytes(executable())
    program.chmod(0o700)
    assert subprocess.run([program], check=False).returncode == -signal.SIGSEGV


def test_nothing_is_tried_behind_an_obstacle() -> None:
    """Each engine is reported as not tried, with the reason."""
    found = list(engines("see attrs above"))
    assert {finding.detail.rpartition("; ")[2] for finding in found} == {"not tried: see attrs above"}
    assert {finding.status for finding in found} == {"failed", "absent"}
