"""Child processes that write a trace, and one that is killed while it does."""

import json
import signal
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[3]

_WRITE_FOR_EVER = """
import itertools, json, sys, mmio
from tests.mmio.sample_traces import START, machine
path, options, report, places = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
timer = machine(mmio.Trace(keep=10, sinks=[mmio.writer(path, **options)]))
for n in itertools.count(1):
    timer.write(START + n % places * 8, 4, n)
    n % report or print(n, flush=True)
"""


def run(script: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start a Python child in which this project can be imported."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], cwd=TOP, stdout=subprocess.PIPE, text=True
    )


def killed_while_writing(path: Path | str, *, report: int = 100, places: int = 1, **options: int) -> int:
    """Kill a child with SIGKILL while it writes the values 1, 2, 3 … to a trace file; return the last it reported.

    Args:
        path: of the trace file.
        report: it reports each value that is a multiple of this, after the write.
        places: how many registers it writes to in turn.
        options: of the writer.
    """
    with run(_WRITE_FOR_EVER, path, json.dumps(options), report, places) as child:
        assert child.stdout is not None
        for _ in range(5):
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        reported = child.stdout.read().split() or [str(5 * report)]
    assert child.returncode == -signal.SIGKILL
    return int(reported[-1])
