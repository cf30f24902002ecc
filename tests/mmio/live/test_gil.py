"""Engines in a Python without its global interpreter lock."""

import subprocess
import sys

import pytest

from tests.mmio.commands.process import ENVIRONMENT

# Every source of faults, each by the first thing a program does with it.
SOURCES = (
    "mmio.ioremap(Device(), 4096)",
    "mmio.map_ports(0x378, 3, Device())",
    "mmio.watch(bytearray(10))",
    "mmio.Tracer()",
    "mmio.hosted.Host()",
    "mmio.guests.server.Server('/nowhere', None)",
)
# A free-threaded Python has this function, and no other Python can be without the lock.
PROGRAM = """\
import sys
sys._is_gil_enabled = lambda: {enabled}
import mmio, mmio.hosted, mmio.guests.server
class Device:
    read = lambda self, offset, width: 0
    write = lambda self, offset, width, value: None
try:
    {statement}
except Exception as error:
    print(type(error).__name__, error)
"""


def _run(statement: str, enabled: bool) -> str:
    program = PROGRAM.format(statement=statement, enabled=enabled)
    done = subprocess.run(
        [sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=100
    )
    return done.stdout


TOLD = "faults are taken with Python's global interpreter lock on; start Python with -X gil=1 or PYTHON_GIL=1"


@pytest.mark.parametrize("statement", SOURCES)
def test_a_source_of_faults_refuses(statement: str) -> None:
    """Without the lock each source of faults is refused in one line that says how to turn it on."""
    assert _run(statement, enabled=False) == f"MmioError {TOLD}\n"


def test_a_free_threaded_python_with_the_lock_is_as_any() -> None:
    """Where the function says that the lock is on, a device is mapped."""
    assert _run("print(len(mmio.ioremap(Device(), 4096).trace))", enabled=True) == "0\n"
