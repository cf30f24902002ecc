"""Run commands in the guest: requests to its init process and replies, on the second serial line."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from threading import Condition
from time import monotonic
from typing import Final

from attrs import frozen

from mmio.closing import Closing
from mmio.guests.errors import GuestError
from mmio.guests.port import Port

_MOST_OUTPUT: Final = 1 << 26  # bytes of one command that are kept
_TAIL: Final = 64  # bytes held back: the mark of the end may be cut in two


@frozen
class Completed:
    """A command that has run in the guest.

    Attributes:
        command: as it was given to the shell.
        status: its exit status.
        output: what it has printed, standard output and standard error together.
    """

    command: str
    status: int
    output: bytes

    @property
    def text(self) -> str:
        """The output as text."""
        return self.output.decode(errors="replace")

    def __str__(self) -> str:
        return self.text


class Control(Closing):
    """The line to the guest's first program.

    Args:
        path: of the socket.
        changed: notified of everything that happens to the guest.
        problem: returns why no answer will come, "" as long as one may.
    """

    def __init__(self, path: Path, changed: Condition, problem: Callable[[], str]) -> None:
        self._changed, self._problem = changed, problem
        self._data = bytearray()
        self._port = Port(path, self._take)

    def _take(self, data: bytes) -> None:
        with self._changed:
            self._data += data
            self._changed.notify_all()

    def wait_until_ready(self, seconds: float) -> None:
        """Wait until the guest takes commands.

        Args:
            seconds: at most.

        Raises:
            GuestError: it has ended, or takes longer.
        """
        self._wait(rb"ready\n", monotonic() + seconds, f"did not start within {seconds:g} s", None)

    def run(self, command: str, seconds: float, output: Callable[[bytes], object] | None = None) -> Completed:
        """Run a command of the guest's shell, and wait for its end.

        Args:
            command: the command.
            seconds: how long at most.
            output: called with what it prints, as it comes.

        Raises:
            GuestError: the guest has ended, or it takes longer.
        """
        mark = token_hex(12)
        text = base64.b64encode(command.encode()).decode()
        self._port.send(f"run {mark} {text}\n".encode())
        end = re.compile(rb"\n%s (\d+)\n" % mark.encode())
        what = f"did not finish {command!r} within {seconds:g} s"
        before, match = self._wait(end.pattern, monotonic() + seconds, what, output)
        return Completed(command, int(match[1]), before)

    def wait_for_end(self) -> None:
        """Wait until all that the guest has said has come; it has ended."""
        self._port.wait_for_end()

    def turn_off(self) -> None:
        """Ask the guest to end."""
        self._port.send(b"off\n")

    def _wait(
        self, pattern: bytes, end: float, what: str, output: Callable[[bytes], object] | None
    ) -> tuple[bytes, "re.Match[bytes]"]:
        """Return what comes before a pattern, and the match."""
        kept = bytearray()
        data = self._data

        def pass_on(length: int) -> None:
            part = bytes(data[:length])
            del data[:length]
            kept.extend(part[: _MOST_OUTPUT - len(kept)])
            if output is not None and part:
                output(part)

        while True:
            with self._changed:
                match = re.search(pattern, bytes(data))  # a match looks at the bytes again later
                if match is None:
                    problem = self._problem()
                    left = end - monotonic()
                    if problem or left <= 0:
                        pass_on(len(data))
                        raise GuestError(problem or f"the guest {what}")
                    if len(data) <= _TAIL:
                        self._changed.wait(min(left, 1))
                        continue
            if match is None:
                pass_on(len(data) - _TAIL)
                continue
            pass_on(match.start())
            del data[: len(match[0])]
            return bytes(kept), match

    def close(self) -> None:
        """Close the line."""
        self._port.close()
