"""Whom a tracer waits for."""

import pytest

from mmio.ptrace import ptrace_requests, waiting
from mmio.ptrace.waiting import Waiting

STOPPED = 0x137F


def test_every_thread_gets_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that all have something to tell are all heard, though the kernel names the first of them each time."""
    monkeypatch.setattr(waiting, "ask", lambda pid: (pid, STOPPED))
    monkeypatch.setattr(ptrace_requests, "peek", lambda: (11, True))
    found = Waiting(dict.fromkeys((11, 12, 13)))
    assert {found.wait() for _ in range(3)} == {(11, STOPPED), (12, STOPPED), (13, STOPPED)}


def test_who_is_not_ours_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another child's end waits for its parent, the traced threads are asked in turn, and no others."""
    asked: list[int] = []

    def ask(pid: int) -> tuple[int, int]:
        asked.append(pid)
        return 0, 0

    monkeypatch.setattr(waiting, "ask", ask)
    monkeypatch.setattr(ptrace_requests, "peek", lambda: (99, False))
    assert Waiting(dict.fromkeys((11, 12))).wait() == (0, 0)
    assert set(asked) == {11, 12}
