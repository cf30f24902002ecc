"""The children of a hosted program, served by the process that has the devices.

One thread serves them all, one access at a time; while there are children the program's own accesses take turns
with them. Each child has a channel, which is made before it is forked, and whose end tells that the child has ended.
"""

import errno
import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Lock, RLock, Thread
from typing import Any, Final

from mmio.hosted.channel import Channel, ChannelClosed, Message, pair
from mmio.hosted.errors import HostError
from mmio.hosted.mirror import Asked, Mirror, answer_of, error_in
from mmio.hosted.served import Client
from mmio.linux.own_descriptors import kept
from mmio.program.redirect import Redirects
from mmio.program.targets import Targets
from mmio.space.recorder import Recorder


class _Child:
    """One child, as it is seen here.

    Attributes:
        is_direct: it is a child of the program's own process.
        mirror: what it has trapped; None before it has said so.
        error: what its last access has raised.
        signal_at_end: what it wants to be sent when its parent ends (PR_SET_PDEATHSIG of prctl(2)).
    """

    def __init__(self, channel: Channel, is_direct: bool) -> None:
        self.channel = channel
        self.is_direct = is_direct
        self.signal_at_end = 0
        self.mirror: Mirror | None = None
        self.error: BaseException | None = None

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        if self.channel.peer > 1:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.channel.peer, number)

    def ask(self, *question: Any) -> Any:
        """Ask the child for something while it waits for an access. Raises what it answers."""
        self.channel.send(["ask", *question])
        match self.channel.receive()[0]:
            case ["value", value]:
                return value
            case answer:
                raise error_in(answer)


class Children:
    """All processes that descend from the program.

    Args:
        targets: what is trapped in each.
        trace: where accesses are recorded.
        redirects: the files that devices answer for.
        failed: called when a child has failed, in the thread that serves.

    Attributes:
        turn: held during every access to a device while there are children.
        failure: why the run cannot go on.
    """

    def __init__(
        self, targets: Targets, trace: Recorder, redirects: Redirects, failed: Callable[[BaseException], None]
    ) -> None:
        self.turn: Final = RLock()
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
    def numbers(self) -> list[int]:
        """Return the PIDs of the children, the one first whose access is being made."""
        children = list(self._children.values())
        children.sort(key=lambda child: child is not self._current)
        return [child.channel.peer for child in children if child.channel.peer]

    @property
    def count(self) -> int:
        """Return the number of children."""
        return len(self._children)

    def fork(self) -> tuple[int, Client | None]:
        """Fork; return the PID, and in the child, where that is 0, its side of its channel. Raises OSError."""
        self._begin()
        ours, theirs = pair()
        ours.learn_peer()
        with self._descriptors:
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                theirs.close()
                raise
            if not pid:
                self._abandon(ours)
                return 0, Client(theirs, self._targets)
            theirs.close()
        self._add(ours, is_direct=True)
        return pid, None

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep the thread that serves from having descriptors which this process could take for the program's."""
        with self.turn, self._descriptors:
            yield

    def wait(self) -> None:
        """Wait until there is no child any more. Raises what has failed in one."""
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

    def orphan(self) -> None:
        """Signal the program's end to those of its own children that have asked for it."""
        for child in list(self._children.values()):
            if child.is_direct and child.signal_at_end:
                child.send_signal(child.signal_at_end)

    def send_signal(self, number: int) -> None:
        """Send all children a signal."""
        for child in list(self._children.values()):
            child.send_signal(number)

    def kill(self) -> None:
        """Kill all children, and those that are being made."""
        self._is_ending = True
        for child in list(self._children.values()):
            child.send_signal(signal.SIGKILL)
            child.channel.shut()

    def fail(self, error: BaseException) -> None:
        """End the run, children and all."""
        if self.failure is None:
            self.failure = error
            self._failed(error)
        self.kill()

    def _begin(self) -> None:
        """Start the thread that serves, with all signals blocked as they are where a program forks."""
        if self._thread is None:
            poll = select.epoll()
            self._poll = select.epoll.fromfd(kept(os.dup(poll.fileno())))
            poll.close()
            self._stop = kept(os.eventfd(0))
            self._poll.register(self._stop, select.EPOLLIN)
            self._thread = Thread(target=self._serve, daemon=True)
            self._thread.start()

    def _abandon(self, made: Channel) -> None:
        """Close what is the parent's in a child."""
        self._poll.close()
        os.close(self._stop)
        for channel in (made, *(child.channel for child in self._children.values())):
            channel.close()

    def _add(self, channel: Channel, *, is_direct: bool) -> None:
        with self._changed:
            self._children[channel.number] = _Child(channel, is_direct)
        if self._is_ending:
            channel.shut()
        self._poll.register(channel.number, select.EPOLLIN)

    def _drop(self, child: _Child) -> None:
        """Forget a child that has ended."""
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
                    self._hear(child)
                except ChannelClosed:
                    self._drop(child)
                except BaseException as error:
                    self.fail(error)

    def _hear(self, child: _Child) -> None:
        """Deal with one message. Raises ChannelClosed."""
        with self._descriptors:
            message, end = child.channel.receive()
            adopted = None
            if end is not None:
                with suppress(OSError):
                    adopted = Channel(end)
        match message:
            case ["access", *asked]:
                child.channel.send(self._access(child, Asked(*asked)))
            case ["put", description]:
                self._mirror(child).put_described(description)
            case ["take", start]:
                self._mirror(child).take_at(start)
            case ["rights", granted]:
                self._mirror(child).port_rights.granted = int(granted, 16)
            case ["met", indices]:
                every = list(self._targets)
                self._targets.met.update(every[index] for index in indices)
            case ["begin"]:
                child.mirror = Mirror(
                    child.channel.peer, self._targets, self._trace, self._redirects, child.ask, self.turn
                )
            case ["adopt"]:
                if adopted is not None:
                    adopted.learn_peer()
                    self._add(adopted, is_direct=False)
                child.channel.send(["value", int(adopted is not None)])
            case ["end", number]:
                child.signal_at_end = number
            case ["failed", is_devices, text]:
                problem = HostError(f"process {child.channel.peer}: {text}")
                self.fail(child.error if is_devices and child.error is not None else problem)
            case ["hello"]:
                pass

    def _access(self, child: _Child, asked: Asked) -> Message:
        """Make an access for a child; return the answer."""
        self._current = child
        try:
            with self.turn:
                return ["value", self._mirror(child).perform(asked)]
        except ChannelClosed:
            raise
        except BaseException as error:
            child.error = error
            return answer_of(error)
        finally:
            self._current = None

    def _mirror(self, child: _Child) -> Mirror:
        if child.mirror is None:
            raise OSError(errno.EPROTO, f"process {child.channel.peer} has not begun")
        return child.mirror
