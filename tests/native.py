"""C for the tests to run: small sources compiled and loaded."""

import os
import shutil
import subprocess
import sys
from ctypes import CDLL
from hashlib import sha256
from pathlib import Path

from tests.needs import need

ROOT = Path(__file__).parent.parent


def compile_c(source: str, directory: Path, *flags: str) -> CDLL:
    """Compile a shared library in `directory` (a test's `tmp_path`) and load it. Skips without a C compiler."""
    return CDLL(str(build_c(source, directory, *flags)))


def build_c(source: str, directory: Path, *flags: str) -> Path:
    """Compile a shared library in `directory` and return its path."""
    compiler = os.environ.get("CC", "cc")
    need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    library = directory / f"{sha256(repr((source, flags)).encode()).hexdigest()[:16]}.so"
    if not library.exists():
        command = [compiler, "-O2", "-shared", "-fPIC", "-pthread", *flags, "-x", "c", "-", "-o", str(library)]
        subprocess.run(command, input=source, text=True, check=True)
    return library


def run_python(program: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a process of its own, with this project importable."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
