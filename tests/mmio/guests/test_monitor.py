"""QEMU's monitor, with a QEMU that the test plays."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import pytest

from mmio.guests.errors import GuestError
from mmio.guests.monitor import Monitor

Answer = Callable[[str, dict[str, Any]], list[dict[str, Any]]]


class Played:
    """A monitor, and QEMU's end of it."""

    def __init__(self, folder: Path) -> None:
        self.over = ""
        self.done: list[tuple[str, dict[str, Any]]] = []
        self.monitor = Monitor(folder / "monitor", Condition(), lambda: self.over, 20)
        self.end = socket.socket(socket.AF_UNIX)
        self.end.connect(str(folder / "monitor"))

    def answers(self, answer: Answer) -> None:
        """Greet, and answer each command with what a function returns for it."""

        def play() -> None:
            with suppress(OSError), self.end.makefile("rw") as file:
                file.write('{"QMP": {}}\n')
                file.flush()
                for line in file:
                    asked = json.loads(line)
                    self.done.append((asked["execute"], asked["arguments"]))
                    for message in answer(*self.done[-1]):
                        file.write(json.dumps(message) + "\n")
                    file.flush()

        self.thread = Thread(target=play)
        self.thread.start()

    def close(self) -> None:
        self.monitor.close()
        self.end.close()
        self.thread.join()


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    played = Played(tmp_path)
    yield played
    played.close()


EVENT = {"event": "STOP", "timestamp": {}}


def test_a_command(played: Played) -> None:
    """The greeting is answered once; what QEMU tells by itself is passed over; the answer comes back."""
    played.answers(lambda command, arguments: [EVENT, {"return": {"to": command}}, EVENT])
    assert played.monitor.do("query-status") == {"to": "query-status"}
    played.monitor.plug({"driver": "vfio-user-pci"})
    played.monitor.go_on()
    assert played.done == [
        ("qmp_capabilities", {}),
        ("query-status", {}),
        ("device_add", {"driver": "vfio-user-pci"}),
        ("cont", {}),
    ]


def test_a_command_that_is_refused(played: Played) -> None:
    """The error has the command and QEMU's words."""
    played.answers(
        lambda command, arguments: (
            [{"error": {"class": "GenericError", "desc": "no slot"}}] if command == "device_add" else [{"return": {}}]
        )
    )
    with pytest.raises(GuestError, match="QEMU cannot do device_add: no slot"):
        played.monitor.plug({})


def states(*told: dict[str, Any]) -> Answer:
    """Answer each question after the state with the next of some."""
    left = list(told)
    return lambda command, arguments: [{"return": left.pop(0) if command == "query-migrate" else {}}]


def test_save_and_load(played: Played, tmp_path: Path) -> None:
    """Each continues until QEMU says that it is complete."""
    one = {"status": "active"}, {"status": "completed"}
    played.answers(states({}, *one, *one))
    played.monitor.save(tmp_path / "state")
    played.monitor.load(tmp_path / "state")
    assert [what for what in played.done if what[0].startswith("migrate") and "uri" in what[1]] == [
        ("migrate", {"uri": f"file:{tmp_path}/state"}),
        ("migrate-incoming", {"uri": f"file:{tmp_path}/state"}),
    ]


def test_a_state_that_is_damaged(played: Played, tmp_path: Path) -> None:
    """The error says what QEMU says."""
    played.answers(states({"status": "failed", "error-desc": "not a migration stream"}))
    with pytest.raises(GuestError, match="QEMU's state is failed, not completed: not a migration stream"):
        played.monitor.load(tmp_path / "state")


def test_a_qemu_that_has_ended(tmp_path: Path) -> None:
    """Nothing is waited for then."""
    over = "the guest's QEMU failed (1)"
    with (
        Monitor(tmp_path / "monitor", Condition(), lambda: over, 20) as monitor,
        pytest.raises(GuestError, match=r"QEMU failed \(1\)"),
    ):
        monitor.do("cont")


def test_a_qemu_that_does_not_answer(tmp_path: Path) -> None:
    """The error says which command, and how long it had."""
    with (
        Monitor(tmp_path / "monitor", Condition(), lambda: "", 0.01) as monitor,
        pytest.raises(GuestError, match=r"QEMU has not answered cont within 0\.01 s"),
    ):
        monitor.do("cont")
