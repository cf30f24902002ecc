"""`pagetrap` as a process of its own, as a user starts it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.native import ROOT

COMMAND = [sys.executable, "-m", "mmio"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def pagetrap(directory: Path, *arguments: str, **settings: Any) -> "subprocess.CompletedProcess[str]":
    """Run the command in a directory."""
    usual: dict[str, Any] = {"text": True, "env": ENVIRONMENT, "timeout": 100}
    return subprocess.run([*COMMAND, *arguments], capture_output=True, cwd=directory, check=False, **usual | settings)
