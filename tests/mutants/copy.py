"""A copy of the whole project with one fault in it, and nothing else changed.

What runs there is faulty in every process it starts: a `python -m mmio`, a traced or hosted program, a forked child.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.mutants.mutant import Fault
from tests.native import ROOT

# Compiled modules go along: their sources keep their times, but for the faulty one, which is compiled again. One that
# another process is just writing has a temporary name, and is gone at the next moment.
_LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "*.pyc.*")


@contextmanager
def faulty_copy(fault: Fault) -> Iterator[Path]:
    """Make a copy with a fault in it; it is gone afterwards.

    Raises:
        LookupError: the text to replace does not stand in its module exactly once.
    """
    with tempfile.TemporaryDirectory(prefix="pagetrap-mutant-") as directory:
        top = Path(directory, "copy")
        shutil.copytree(ROOT, top, ignore=_LEFT_OUT)
        source = top / fault.path
        text = source.read_text()
        if text.count(fault.old) != 1:
            raise LookupError(f"{fault.path} has {fault.old!r} {text.count(fault.old)} times, not once")
        source.unlink()
        source.write_text(text.replace(fault.old, fault.new))
        yield top


def python(top: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment that run this Python on the modules of a copy."""
    return [sys.executable, *arguments], os.environ | {"PYTHONPATH": str(top)}
