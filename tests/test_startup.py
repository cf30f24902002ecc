"""Modules that starting does not load. Loading them takes longer than what is asked for.

Measured beside an empty program: `make bench`, benchmarks/startup.py.
"""

import subprocess
import sys

import pytest

from tests.mmio.commands.process import ENVIRONMENT

_ALWAYS = ("mmio.formats", "mmio.traces", "mmio.program", "mmio.ptrace", "mmio.hosted", "mmio.guests", "mmio.space")
_EXTRAS = ("rich", "elftools", "lxml", "pyarrow", "pandas", "polars", "matplotlib", "hypothesis")
_NONE = (*_ALWAYS, "mmio.device", "mmio.pictures", "mmio.linux", "emulate", "multiprocessing", "ctypes", *_EXTRAS)

_LISTING = """\
import atexit, sys
from pagetrap.__main__ import command
atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))
sys.exit(command())
"""


def loaded(*arguments: str) -> set[str]:
    """Return the modules that a run of `pagetrap` has loaded at its end."""
    run = [sys.executable, "-c", _LISTING, *arguments]
    done = subprocess.run(run, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        ("--help", _NONE),
        ("--version", _NONE),
        ("decode --help", _NONE),
        ("decode 8b4710", tuple(name for name in _NONE if name != "emulate")),
        ("completion bash", ("mmio.ptrace", "mmio.hosted", "mmio.inprocess", *_EXTRAS)),
        ("show --help", ("mmio.ptrace", "mmio.hosted", "mmio.guests", "mmio.space", "emulate", *_EXTRAS)),
    ],
)
def test_a_command_loads_what_it_needs(line: str, absent: tuple[str, ...]) -> None:
    """Help and decoding load no engine, no formats and no extra; the other commands none of each other's."""
    assert loaded(*line.split()) & set(absent) == set()


def test_a_module_that_is_loaded_is_seen() -> None:
    """The list has what a command does load."""
    assert {"decode.decoder", "mmio.commands.decoding", "emulate.coverage"} <= loaded("decode", "90")
    assert "mmio.commands.traces" not in loaded("decode", "90")
