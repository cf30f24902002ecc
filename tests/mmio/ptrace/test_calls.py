"""The kernel's side of tracing."""

import os
import signal

import pytest

from mmio.ptrace import calls


def test_the_message_of_an_event_is_not_that_of_a_later_stop() -> None:
    """A thread killed while it is stopped at a fork tells its exit status; that is not taken for the child's PID."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.read(reader, 1)
        os.fork()
        os._exit(0)
    calls.request(calls.SEIZE, pid, 0, calls.OPTIONS)
    os.write(writer, b"x")
    _, status = calls.wait(pid)
    while status >> 16 != calls.EVENT_FORK:
        calls.request(calls.CONT, pid, 0, status >> 8 & 0xFF if status >> 16 == 0 else 0)
        _, status = calls.wait(pid)
    child = calls.event_message(pid, calls.EVENT_FORK)
    assert os.getpgid(child) == os.getpgid(0)
    os.kill(pid, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    while not calls.peek(pid)[0]:  # it has left its stop for the one at its end
        pass
    with pytest.raises(ProcessLookupError, match="killed in its stop at event 1"):
        calls.event_message(pid, calls.EVENT_FORK)
    for one in (pid, child):
        while os.WIFSTOPPED(calls.wait(one)[1]):
            calls.request(calls.CONT, one)
