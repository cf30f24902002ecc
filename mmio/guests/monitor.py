"""QEMU's monitor: save a guest's state, take it back, plug cards in (QEMU's docs/interop/qmp-spec.rst).

One JSON object a line each way. Commands are answered in order; what QEMU tells by itself comes in between.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Condition
from time import monotonic
from typing import Any, Final

from mmio.closing import Closing
from mmio.guests.errors import GuestError
from mmio.guests.port import Port

_POLL: Final = 0.02  # seconds between questions after a state that no event tells of
_MAPPED: Final = [{"capability": "mapped-ram", "state": True}]
"""Each page has its own place in the file, so that what is empty takes none, and the file is read in large pieces."""


class Monitor(Closing):
    """The line to the monitor of a QEMU.

    Args:
        path: of the socket.
        changed: notified of everything that happens to the guest.
        problem: returns why no answer will come, "" as long as one may.
        seconds: that QEMU has for an answer, or a state.
    """

    def __init__(self, path: Path, changed: Condition, problem: Callable[[], str], seconds: float) -> None:
        self._changed, self._problem, self._seconds = changed, problem, seconds
        self._data = bytearray()
        self._greeted = False
        self._port = Port(path, self._take)

    def _take(self, data: bytes) -> None:
        with self._changed:
            self._data += data
            self._changed.notify_all()

    def do(self, command: str, **arguments: object) -> Any:
        """Do a command, and return what it returns.

        Args:
            command: its name.
            arguments: of the command.

        Raises:
            GuestError: QEMU cannot do it, has ended, or does not answer.
        """
        if not self._greeted:
            self._greeted = True
            self._message(command)
            self.do("qmp_capabilities")
        self._port.send(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            message = self._message(command)
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise GuestError(f"QEMU cannot do {command}: {message['error'].get('desc', message['error'])}")

    def _message(self, command: str) -> dict[str, Any]:
        """Return the next object that QEMU sends."""
        end = monotonic() + self._seconds
        with self._changed:
            while b"\n" not in self._data:
                left = end - monotonic()
                if problem := self._problem():
                    raise GuestError(problem)
                if left <= 0:
                    raise GuestError(f"QEMU has not answered {command} within {self._seconds:g} s")
                self._changed.wait(min(left, 1))
            line, _, rest = bytes(self._data).partition(b"\n")
            self._data[:] = rest
        message = json.loads(line)
        assert isinstance(message, dict)
        return message

    def save(self, path: Path) -> None:
        """Save the guest's state in a file. The guest stands still from then on.

        Args:
            path: of the file.

        Raises:
            GuestError: that fails.
        """
        self.do("migrate-set-capabilities", capabilities=_MAPPED)
        self.do("migrate", uri=f"file:{path}")
        self._wait("query-migrate", "completed")

    def load(self, path: Path) -> None:
        """Take the state of a file into a QEMU that waits for it. The guest stands still until `go_on`.

        Args:
            path: of the file.

        Raises:
            GuestError: it is damaged, or another machine's.
        """
        self.do("migrate-set-capabilities", capabilities=_MAPPED)
        self.do("migrate-incoming", uri=f"file:{path}")
        self._wait("query-migrate", "completed")

    def _wait(self, command: str, state: str) -> None:
        """Wait until a state has come that a command tells."""
        end = monotonic() + self._seconds
        while True:
            told = self.do(command)
            status = told.get("status", "")
            if status == state:
                return
            if status in ("failed", "cancelled") or monotonic() > end:
                raise GuestError(f"QEMU's state is {status}, not {state}: {told.get('error-desc', 'no reason given')}")
            with self._changed:
                self._changed.wait(_POLL)

    def plug(self, device: Mapping[str, object]) -> None:
        """Plug a card in, as QEMU's option -device does.

        Args:
            device: its properties.

        Raises:
            GuestError: QEMU refuses it.
        """
        self.do("device_add", **device)

    def go_on(self) -> None:
        """Start the guest's CPUs."""
        self.do("cont")

    def close(self) -> None:
        """Close the line."""
        self._port.close()
