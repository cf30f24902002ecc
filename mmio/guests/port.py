"""One serial line of a guest: a Unix socket that QEMU connects to, read by a thread of its own."""

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Final

from mmio.closing import Closing

_ACCEPTED_WITHIN: Final = 5  # seconds: QEMU has connected by then, or never does


class Port(Closing):
    """A serial line.

    Args:
        path: of the socket.
        received: called in the port's thread with what comes, and with b"" at the end.
    """

    def __init__(self, path: Path, received: Callable[[bytes], object]) -> None:
        self.path = path
        self._received = received
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._connection: socket.socket | None = None
        self._connected = Event()  # or has ended
        self._thread = Thread(target=self._read, name=f"serial line {path.name}", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with suppress(OSError):
            self._connection, _ = self._listener.accept()
            self._connected.set()
            while data := self._connection.recv(1 << 16):
                self._received(data)
        self._connected.set()
        self._received(b"")

    def send(self, data: bytes) -> None:
        """Send bytes to the guest; those to a guest that has ended are lost."""
        self._connected.wait(_ACCEPTED_WITHIN)  # QEMU may have, before this process has accepted it
        if self._connection is not None:
            with suppress(OSError):
                self._connection.sendall(data)

    def wait_for_end(self) -> None:
        """Wait until all has come that QEMU, which has ended, has sent; at most a second, if it never connected."""
        self._thread.join(None if self._connection is not None else 1)

    def close(self) -> None:
        """End the thread, and close the sockets."""
        for end in (self._listener, self._connection):
            if end is not None:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for end in (self._listener, self._connection):
            if end is not None:
                end.close()
