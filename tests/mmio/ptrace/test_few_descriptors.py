"""A tracer that runs out of descriptors ends with one line, and leaves nothing behind."""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.mmio.ptrace.programs import device_file, program
from tests.native import ROOT

# Each child accesses the device and stays until it is killed, or for a minute.
FORKING = r"""
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    for (int i = 0; i < 8; i++) if (!fork()) { p[i] = i; sleep(60); _exit(0); }
    while (wait(0) > 0) {}
    return 0;
}
"""


def running(path: Path) -> list[str]:
    """Return the processes that execute a file, but for those that are dying."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{entry}/exe") == str(path):
                found.append(entry)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("limit", range(5, 14))
def test_a_lack_of_descriptors_ends_the_run_at_once(tmp_path: Path, limit: int) -> None:
    """Wherever they run out, one line says so and what to do, and every process of the program is gone."""
    binary, device = Path(shutil.copy(program(FORKING), tmp_path)), device_file(tmp_path)
    command = [sys.executable, "-m", "mmio", "trace", "-q", "--map", "*/device", "-o", "run.jsonl", "--"]

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    done = subprocess.run(
        [*command, str(binary), str(device)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=lower,
        capture_output=True,
        text=True,
        timeout=50,  # less than the children stay
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (125, 1), done.stderr
    assert "Too many open files" in done.stderr
    assert "ulimit -n" in done.stderr
    while running(binary.resolve()):  # killed, and waited for by init where that is not the tracer
        time.sleep(0.05)
