"""`pagetrap` as a user starts it, on the examples, from a directory where files may be left."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.native import ROOT
from tests.needs import need

EXAMPLES = ROOT / "examples"
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which this project is importable, system programs are found, and English is spoken."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC"} | more


def pagetrap(directory: Path, *arguments: str | Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a directory; `more` are environment variables."""
    command = [sys.executable, "-m", "mmio", *map(str, arguments)]
    return _finished(command, directory, environment(**more))


def run_on(device: str, directory: Path, *program: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a program on an example's device, with the trace in `run.jsonl`; it must end well."""
    arguments = ["run", "-q", "-o", "run.jsonl", "--device", f"{EXAMPLES}/{device}", "--", *program]
    done = pagetrap(directory, *arguments, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def need_program(name: str, package: str) -> None:
    """Skip, or fail where nothing may be skipped, without a program of a Debian package."""
    need(shutil.which(name, path=SYSTEM_PATH), f"{name} (apt-get install {package})")


def _finished(command: list[str], directory: Path, variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, capture_output=True, text=True, cwd=directory, env=dict(variables), check=False, timeout=110
    )
