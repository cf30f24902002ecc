"""Server of the accesses of a hosted program's children, in the process that owns the devices.

One thread serves all children, one access at a time. While there are children, the program's own accesses take the same
lock. Each child has a channel, which is made before it is forked; when that closes, the child has ended.
"""

import errno
import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Lock, RLock, Thread
from typing import Any, Final

from mmio.hosted.channel import Channel, ChannelClosed, Message, channel_pair
from mmio.hosted.errors import HostError
from mmio.hosted.mirror import AccessRequest, Mirror, error_from, error_message
from mmio.hosted.served import Client
from mmio.linux.own_descriptors import kept
from mmio.program.redirect import Redirects
from mmio.program.targets import Targets
from mmio.space.recorder import Recorder


class _Child:
    """State of one child in the process that serves it.

    Attributes:
        is_direct: it is a child of the program's own process.
        mirror: its trapped mappings; None before its "begin" message.
        error: the exception of its last access that raised one.
        death_signal: the signal that it has asked for when its parent ends (PR_SET_PDEATHSIG of prctl(2)); 0 for none.
    """

    def __init__(self, channel: Channel, is_direct: bool) -> None:
        self.channel = channel
        self.is_direct = is_direct
        self.death_signal = 0
        self.mirror: Mirror | None = None
        self.error: BaseException | None = None

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        if self.channel.peer > 1:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.channel.peer, number)

    def ask(self, *question: Any) -> Any:
        """Ask the child for its memory, or to do an operation, during its own access. Raises the error it answers."""
        self.channel.send(["ask", *question])
        match self.channel.receive()[0]:
            case ["value", value]:
                return value
            case answer:
                raise error_from(answer)


class Children:
    """Server of all processes that descend from the program.

    Args:
        targets: what is trapped in each.
        trace: where accesses are recorded.
        redirects: the files that devices answer for.
        failed: called with the error when a child has failed, in the thread that serves.

    Attributes:
        access_lock: held during every access to a device while there are children.
        failure: the error that ends the run.
    """

    def __init__(
        self, targets: Targets, trace: Recorder, redirects: Redirects, failed: Callable[[BaseException], None]
    ) -> None:
        self.access_lock: Final = RLock()
        self.failure: BaseException | None = None
        self._targets, self._trace, self._redirects, self._failed = targets, trace, redirects, failed
        self._children: dict[int, _Child] = {}
        self._changed = Condition()
        self._descriptors = Lock()  # held while a fork would copy a descriptor that is not in a `_Child` yet
        self._thread: Thread | None = None
        self._current: _Child | None = None
        self._poll: Any = None
        self._stop = -1
        self._is_ending = False

    @property
    def is_serving(self) -> bool:
        """Return whether a child's access is being made."""
        return self._current is not None

    @property
    def pids(self) -> list[int]:
        """Return the PIDs of the children, first that of the child whose access is being made."""
        children = list(self._children.values())
        children.sort(key=lambda child: child is not self._current)
        return [child.channel.peer for child in children if child.channel.peer]

    @property
    def count(self) -> int:
        """Return the number of children."""
        return len(self._children)

    def fork(self) -> tuple[int, Client | None]:
        """Fork; return the PID, and in the child, where that is 0, its side of its channel. Raises OSError."""
        self.start_serving()
        ours, theirs = channel_pair()
        ours.request_credentials()
        with self._descriptors:
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                theirs.close()
                raise
            if not pid:
                self._close_in_child(ours)
                return 0, Client(theirs, self._targets)
            theirs.close()
        self._add(ours, is_direct=True)
        return pid, None

    @contextmanager
    def serving_paused(self) -> Iterator[None]:
        """Stop serving while this process closes the program's descriptors.

        A descriptor that has just been received from a child is not known as pagetrap's yet, and would be closed, too.
        """
        with self.access_lock, self._descriptors:
            yield

    def wait(self) -> None:
        """Wait until all children have ended. Raises the error of one that has failed."""
        with self._changed:
            while self._children:
                self._changed.wait()
        if self._thread is not None:
            os.eventfd_write(self._stop, 1)
            self._thread.join()
            self._thread = None
            self._poll.close()
            os.close(self._stop)
        if self.failure is not None:
            raise self.failure

    def send_death_signals(self) -> None:
        """Send the program's children, at its end, the signals that they have asked for (PR_SET_PDEATHSIG)."""
        for child in list(self._children.values()):
            if child.is_direct and child.death_signal:
                child.send_signal(child.death_signal)

    def send_signal(self, number: int) -> None:
        """Send all children a signal."""
        for child in list(self._children.values()):
            child.send_signal(number)

    def kill(self) -> None:
        """Kill all children, and those that are being made."""
        self._is_ending = True
        for child in list(self._children.values()):
            child.send_signal(signal.SIGKILL)
            child.channel.shut_down()

    def fail(self, error: BaseException) -> None:
        """End the run, children and all."""
        if self.failure is None:
            self.failure = error
            self._failed(error)
        self.kill()

    def start_serving(self) -> None:
        """Start the thread that serves. It inherits a mask that blocks all signals, as in every signal handler here.

        Raises:
            OSError: no thread can be made.
        """
        if self._thread is None:
            poll = select.epoll()
            self._poll = select.epoll.fromfd(kept(os.dup(poll.fileno())))
            poll.close()
            self._stop = kept(os.eventfd(0))
            self._poll.register(self._stop, select.EPOLLIN)
            thread = Thread(target=self._serve, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._poll.close()
                os.close(self._stop)
                raise OSError(errno.EAGAIN, f"no thread can be made to serve children: {error}") from error
            self._thread = thread

    def _close_in_child(self, made: Channel) -> None:
        """Close the server's descriptors in a new child."""
        self._poll.close()
        os.close(self._stop)
        for channel in (made, *(child.channel for child in self._children.values())):
            channel.close()

    def _add(self, channel: Channel, *, is_direct: bool) -> None:
        with self._changed:
            self._children[channel.number] = _Child(channel, is_direct)
        if self._is_ending:
            channel.shut_down()
        self._poll.register(channel.number, select.EPOLLIN)

    def _forget(self, child: _Child) -> None:
        """Remove a child that has ended."""
        self._poll.unregister(child.channel.number)
        with self._descriptors, self._changed:
            del self._children[child.channel.number]
            child.channel.close()
            self._changed.notify_all()

    def _serve(self) -> None:
        while True:
            for number, _ in self._poll.poll():
                if number == self._stop:
                    return
                child = self._children[number]
                try:
                    self._handle_message(child)
                except ChannelClosed:
                    self._forget(child)
                except BaseException as error:
                    self.fail(error)

    def _handle_message(self, child: _Child) -> None:
        """Receive one message, and do what it says. Raises ChannelClosed."""
        with self._descriptors:
            message, end = child.channel.receive()
            accepted = None
            if end is not None:
                with suppress(OSError):
                    accepted = Channel(end)
        match message:
            case ["access", *asked]:
                child.channel.send(self._access(child, AccessRequest(*asked)))
            case ["trap", description]:
                self._mirror(child).trap_described(description)
            case ["untrap", start]:
                self._mirror(child).untrap_at(start)
            case ["rights", granted]:
                self._mirror(child).port_rights.granted = int(granted, 16)
            case ["matched", indices]:
                every = list(self._targets)
                self._targets.matched.update(every[index] for index in indices)
            case ["begin"]:
                child.mirror = Mirror(
                    child.channel.peer, self._targets, self._trace, self._redirects, child.ask, self.access_lock
                )
            case ["accept"]:
                if accepted is not None:
                    accepted.request_credentials()
                    self._add(accepted, is_direct=False)
                child.channel.send(["value", int(accepted is not None)])
            case ["death_signal", number]:
                child.death_signal = number
            case ["failed", is_devices, text]:
                problem = HostError(f"process {child.channel.peer}: {text}")
                self.fail(child.error if is_devices and child.error is not None else problem)
            case ["credentials"]:
                pass  # the kernel has sent the child's PID with it

    def _access(self, child: _Child, asked: AccessRequest) -> Message:
        """Make an access for a child; return the answer."""
        self._current = child
        try:
            with self.access_lock:
                return ["value", self._mirror(child).perform(asked)]
        except ChannelClosed:
            raise
        except BaseException as error:
            child.error = error
            return error_message(error)
        finally:
            self._current = None

    def _mirror(self, child: _Child) -> Mirror:
        if child.mirror is None:
            raise OSError(errno.EPROTO, f"process {child.channel.peer} has not begun")
        return child.mirror
