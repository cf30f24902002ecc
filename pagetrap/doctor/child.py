"""Python code in a process of its own: what it tries may end the process that tries it."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, Final, NamedTuple

SECONDS: Final = 60
"""After which a child is ended. Loading an engine takes a fraction of one second."""

_FOLDER: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Outcome(NamedTuple):
    """Result of a child.

    Attributes:
        status: its exit status, negative for the signal that ended it, None when it took too long.
        output: what it wrote to its standard output.
        reason: why it did not exit with 0, in one line.
    """

    status: int | None
    output: str
    reason: str

    @property
    def succeeded(self) -> bool:
        """Return whether the child has exited with 0."""
        return self.status == 0


def python(code: str, *arguments: str, bare: bool = False) -> Outcome:
    """Run Python code.

    Args:
        code: the program.
        arguments: `sys.argv[1:]`.
        bare: without site-packages, for code that needs the standard library only.
    """
    options = ["-I", "-S"] if bare else []
    return run([sys.executable, *options, "-c", code, *arguments])


def run(command: Sequence[str]) -> Outcome:
    """Run a command in which this pagetrap can be imported."""
    path = os.pathsep.join(filter(None, (_FOLDER, os.environ.get("PYTHONPATH", ""))))
    environment = os.environ | {"PYTHONPATH": path}
    with TemporaryFile() as output, TemporaryFile() as complaint:  # what it leaves behind would hold pipes open
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=complaint,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return Outcome(1, "", str(error))
        try:
            status = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            return Outcome(None, "", f"no answer within {SECONDS} s")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return Outcome(status, _text(output), _reason(status, _text(complaint)))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _reason(status: int, complaint: str) -> str:
    last = complaint.strip().rpartition("\n")[2].strip()
    if status >= 0:
        return last or f"exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"ended by {name}" + (f": {last}" if last else "")
