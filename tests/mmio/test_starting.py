"""Ctrl-C while the command line is being loaded."""

import signal
import subprocess
import sys
from collections.abc import Sequence
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
sys.argv = ["pagetrap", *{arguments!r}]
signal.signal(signal.SIGINT, {before})
sys.exit(command())
"""
_DECODE: Final = ("decode", "90")
_TRACE: Final = ("trace", "--map", "/nowhere", "true")


def _interrupted(arguments: Sequence[str], module: str, before: str) -> "subprocess.CompletedProcess[str]":
    script = _SCRIPT.format(arguments=arguments, module=module, before=before)
    return subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=100
    )


@pytest.mark.parametrize(
    ("arguments", "module", "complaint"),
    [
        (_DECODE, "mmio.commands.main", ""),
        (_DECODE, "mmio.commands.parser", ""),
        (_DECODE, "iced_x86", ""),
        (_DECODE, "mmio.commands.decoding", "pagetrap: interrupted\n"),  # loaded when it is asked for
        (_TRACE, "mmio.commands.watching", "pagetrap: interrupted\n"),  # loaded by the command itself
        (_TRACE, "mmio.ptrace.tracer", "pagetrap: interrupted\n"),
    ],
)
def test_it_ends_the_process_without_a_traceback(arguments: Sequence[str], module: str, complaint: str) -> None:
    """Wherever the loading has come to, the process ends by SIGINT."""
    done = _interrupted(arguments, module, "signal.default_int_handler")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", complaint)


def test_what_was_ignored_stays_ignored() -> None:
    """Under nohup, or in the background of a script, SIGINT is ignored from the beginning."""
    done = _interrupted(_DECODE, "mmio.commands.main", "signal.SIG_IGN")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("nop")
