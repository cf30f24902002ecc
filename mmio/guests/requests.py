"""Commands from the server to the VMM: DMA by messages, where the VMM shares no descriptor.

Both directions share one socket. While an answer is awaited, commands of the VMM may come; they are kept, in order, and
done when the device has finished what it is doing.
"""

from collections import deque
from threading import get_ident
from typing import Final

from mmio.guests.channel import Channel
from mmio.guests.messages import DMA, DMA_READ, DMA_WRITE, ERROR, MOST_DATA, NAMES, REPLY, TYPE, Message, VfioUserError

PATIENCE: Final = 5.0
"""Seconds within which a VMM answers, as QEMU expects it of servers."""

_MOST_KEPT: Final = 1024  # commands: one a virtual CPU and some more; a client that floods is no VMM


class PeerGone(VfioUserError):
    """The VMM ended while its memory was requested."""


class Requests:
    """The messages of one connection, and what the server asks in between; it reaches memory as a `Far`.

    Args:
        channel: the connection.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._kept: deque[Message] = deque()
        self._number = 0
        self._thread = get_ident()
        self.most = MOST_DATA  # bytes in a transfer, as the client wants it

    def next(self) -> Message | None:
        """Return the next command of the client, None when it has gone. Raises as `Channel.receive`."""
        return self._kept.popleft() if self._kept else self._channel.receive()

    def read(self, address: int, length: int) -> bytes:
        """Return bytes of guest memory, fewer when the client refuses the rest.

        Args:
            address: of the first one, on the bus.
            length: in bytes.

        Raises:
            VfioUserError: the client does not answer, or answers something else.
        """
        data = b""
        while len(data) < length:
            count = min(self.most, length - len(data))
            answer = self._ask(DMA_READ, DMA.pack(address + len(data), count))
            if answer is None:
                break
            if len(answer) != DMA.size + count or DMA.unpack_from(answer) != (address + len(data), count):
                raise VfioUserError(f"expected {count} bytes at {address + len(data):#x}, got another answer")
            data += answer[DMA.size :]
        return data

    def write(self, address: int, data: bytes) -> int:
        """Store bytes in guest memory; return how many the client has stored.

        Args:
            address: of the first one, on the bus.
            data: the bytes.

        Raises:
            VfioUserError: the client does not answer.
        """
        done = 0
        while done < len(data):
            part = data[done : done + self.most]
            if self._ask(DMA_WRITE, DMA.pack(address + done, len(part)) + part) is None:
                break
            done += len(part)
        return done

    def _ask(self, command: int, payload: bytes) -> bytes | None:
        """Return the payload of the answer to a command, None when it is an error."""
        if get_ident() != self._thread:
            raise VfioUserError(
                f"{NAMES[command]} from another thread: the VMM shares no descriptor of this memory, and messages are "
                "the serving thread's; reach the memory from the model's own handlers"
            )
        self._number = self._number + 1 & 0xFFFF
        if not self._channel.send(self._number, command, 0, payload):
            raise PeerGone("the VMM has gone")
        self._channel.set_timeout(PATIENCE)
        try:
            while (message := self._channel.receive()) is not None:
                if message.flags & TYPE != REPLY:
                    self._keep(message)
                    continue
                message.close()
                if (message.number, message.command) != (self._number, command):
                    raise VfioUserError(f"expected the reply to {NAMES[command]}, got one to {message.name}")
                return None if message.flags & ERROR else message.payload
        except TimeoutError:
            self._channel.hang_up()  # in the middle of a message, perhaps: what comes next could not be understood
            raise VfioUserError(f"the VMM has not answered {NAMES[command]} within {PATIENCE:g} s") from None
        finally:
            self._channel.set_timeout(None)
        raise PeerGone("the VMM has gone")

    def _keep(self, message: Message) -> None:
        if len(self._kept) >= _MOST_KEPT:
            message.close()
            raise VfioUserError(f"expected a reply, got more than {_MOST_KEPT} commands")
        self._kept.append(message)

    def close(self) -> None:
        """Close the descriptors of commands that are not done any more."""
        while self._kept:
            self._kept.popleft().close()
