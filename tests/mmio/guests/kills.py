"""Kill QEMU or pagetrap at any moment: the trace must be readable, and no process may stay behind.

The moment is drawn: after so many bytes of the trace, from the start of `pagetrap boot` to the middle of a driver's
work. `python -m tests.mmio.guests.kills 50 SEED` does it fifty times; three are in `make test`.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mmio import open_trace
from tests.mmio.commands.process import COMMAND, ENVIRONMENT
from tests.mmio.guests.guests import MODULES
from tests.native import ROOT

VICTIMS = ("QEMU", "pagetrap")
LOOP = "while :; do ip link set eth0 up; ip link set eth0 down; done"
MOST = 2_000_000  # bytes of the trace after which the last ones are killed: in the middle of the loop
LONGEST = 240  # seconds


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            child = int(path.parent.name)
            found += [child, *descendants(child)]
    return found


def wait_for_end(pids: list[int]) -> None:
    """Wait until processes have ended."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        assert select.select([descriptor], [], [], 60)[0], f"process {pid} still runs"
        os.close(descriptor)


def kill(folder: Path, seed: int) -> str:
    """Start a guest, kill one of its processes, check what is left; return what was done."""
    drawn = random.Random(seed)
    victim, after = drawn.choice(VICTIMS), int(MOST ** drawn.random())
    trace = folder / "t.jsonl"
    modules = [word for module in MODULES for word in ("--module", module)]
    device = f"{ROOT}/examples/guest/e1000.py:Nic"
    command = [*COMMAND, "boot", "--snapshot", "--smp", "2", "-q", "-o", str(trace), *modules, "--device", device]
    process = subprocess.Popen(
        [*command, "--timeout", str(LONGEST), "--console", str(folder / "console"), "--", LOOP],
        cwd=folder,
        env=ENVIRONMENT | {"TMPDIR": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not (started := descendants(process.pid)) or not trace.exists() or trace.stat().st_size < after:
            assert process.poll() is None, process.communicate()[1]
            select.select([], [], [], 0.01)
        for pid in started if victim == "QEMU" else [process.pid]:
            os.kill(pid, signal.SIGKILL)
        said = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    wait_for_end(started)
    assert process.returncode == (125 if victim == "QEMU" else -signal.SIGKILL), said
    assert victim != "QEMU" or "the guest's QEMU was killed by signal 9" in said, said
    whole = sum(b'"direction"' in line and line.endswith(b"\n") for line in trace.open("rb"))
    records = len(list(open_trace(trace)))
    assert records in (whole, whole + 1)  # a last line may lack its end
    return f"{victim} killed after {after:,} bytes: {records:,} accesses"


def main(count: int, seed: int) -> None:
    """Kill a number of guests."""
    for number in range(seed, seed + count):
        with TemporaryDirectory(prefix="pagetrap-kills-") as folder:
            print(f"seed {number}: {kill(Path(folder), number)}", flush=True)


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["10", "1"][len(sys.argv) - 1 :])))
