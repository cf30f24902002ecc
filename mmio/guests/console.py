"""The guest's console: the output of its kernel on the first serial line, kept and shown line by line."""

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Final

from mmio.closing import Closing
from mmio.guests.port import Port

_MOST: Final = 1 << 22  # bytes that are kept, the last ones


class Console(Closing):
    """The console.

    Args:
        path: of the socket.
        show: called with each line, in a thread of its own.
    """

    def __init__(self, path: Path, show: Callable[[str], object]) -> None:
        self._show = show
        self._kept = bytearray()
        self._line = bytearray()
        self._begun = Event()  # or has ended
        self._port = Port(path, self._take)

    def _take(self, data: bytes) -> None:
        self._begun.set()
        self._kept += data
        del self._kept[:-_MOST]
        self._line += data
        *lines, rest = self._line.split(b"\n") if data else [bytes(self._line), b""]
        self._line = bytearray(rest)
        for line in lines:
            text = _text(line)
            if text or data:
                self._show(text)

    def wait_for_output(self, seconds: float) -> bool:
        """Wait until something has been said, or the guest has ended; return whether that has come.

        Args:
            seconds: at most.
        """
        return self._begun.wait(seconds)

    @property
    def text(self) -> str:
        """The output of the kernel so far, at most its last 4 MiB."""
        return _text(self._kept)

    def last(self, count: int) -> list[str]:
        """Return the last lines that are not empty.

        Args:
            count: at most so many.
        """
        return [line for line in self.text.splitlines() if line.strip()][-count:]

    def wait_for_end(self) -> None:
        """Wait until all that the kernel has said has come; it has ended."""
        self._port.wait_for_end()

    def send(self, text: str) -> None:
        """Type something on the console.

        Args:
            text: what is typed.
        """
        self._port.send(text.encode())

    def close(self) -> None:
        """Close the line."""
        self._port.close()


def _text(data: "bytes | bytearray") -> str:
    return data.decode(errors="replace").replace("\r", "")
