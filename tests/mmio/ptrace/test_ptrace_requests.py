"""The kernel's side of tracing."""

import os
import signal

import pytest

from mmio.ptrace import ptrace_requests


def test_the_message_of_an_event_is_not_that_of_a_later_stop() -> None:
    """A thread killed while it is stopped at a fork tells its exit status; that is not taken for the child's PID."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.read(reader, 1)
        os.fork()
        os._exit(0)
    ptrace_requests.request(ptrace_requests.SEIZE, pid, 0, ptrace_requests.OPTIONS)
    os.write(writer, b"x")
    _, status = ptrace_requests.wait(pid)
    while status >> 16 != ptrace_requests.EVENT_FORK:
        ptrace_requests.request(ptrace_requests.CONT, pid, 0, status >> 8 & 0xFF if status >> 16 == 0 else 0)
        _, status = ptrace_requests.wait(pid)
    child = ptrace_requests.event_message(pid, ptrace_requests.EVENT_FORK)
    assert os.getpgid(child) == os.getpgid(0)
    os.kill(pid, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    while not ptrace_requests.peek(pid)[0]:  # it has left its stop for the one at its end
        pass
    with pytest.raises(ProcessLookupError, match="killed in its stop at event 1"):
        ptrace_requests.event_message(pid, ptrace_requests.EVENT_FORK)
    for one in (pid, child):
        while os.WIFSTOPPED(ptrace_requests.wait(one)[1]):
            ptrace_requests.request(ptrace_requests.CONT, one)
