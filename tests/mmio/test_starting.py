"""Ctrl-C while the command line is being loaded."""

import signal
import subprocess
import sys
from typing import Final

import pytest

from tests.mmio.commands.process import ENVIRONMENT

# Send SIGINT at the import of a module, as the terminal may at any time.
_SCRIPT: Final = """\
import os, signal, sys
from mmio.__main__ import command

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["pagetrap", "decode", "90"]
signal.signal(signal.SIGINT, {before})
sys.exit(command())
"""
_MODULES: Final = ("mmio.commands.main", "mmio.commands.coverage", "iced_x86", "mmio.ptrace", "mmio.commands.watching")


def _interrupted(module: str, before: str) -> "subprocess.CompletedProcess[str]":
    script = _SCRIPT.format(module=module, before=before)
    return subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=100
    )


@pytest.mark.parametrize("module", _MODULES)
def test_it_ends_the_process_without_a_traceback(module: str) -> None:
    """Wherever the loading has come to, the process ends by SIGINT, and says nothing."""
    done = _interrupted(module, "signal.default_int_handler")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_what_was_ignored_stays_ignored() -> None:
    """Under nohup, or in the background of a script, SIGINT is ignored from the beginning."""
    done = _interrupted(_MODULES[0], "signal.SIG_IGN")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("nop")
