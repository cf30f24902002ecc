"""One vfio-user connection as a stream of messages with descriptors."""

import array
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from mmio.closing import Closing
from mmio.guests.messages import HEADER, LARGEST, MOST_DESCRIPTORS, Message, VfioUserError

_ROOM: Final = socket.CMSG_SPACE(MOST_DESCRIPTORS * array.array("i").itemsize)


class Channel(Closing):
    """A connected Unix socket that carries messages.

    Args:
        connection: the socket, which the channel closes.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def receive(self) -> Message | None:
        """Return the next message, None when the peer has gone, be it in the middle of one.

        Raises:
            VfioUserError: the message cannot be told from the next one, or has more descriptors than were agreed on.
            TimeoutError: the socket has a timeout, and nothing came.
        """
        descriptors: list[int] = []
        try:
            message = self._received(descriptors)
        except BaseException:
            _close(descriptors)
            raise
        if message is None:
            _close(descriptors)
        return message

    def _received(self, descriptors: list[int]) -> Message | None:
        header = self._exactly(HEADER.size, descriptors)
        if header is None:
            return None
        number, command, size, flags, error = HEADER.unpack(header)
        if not HEADER.size <= size <= LARGEST:
            raise VfioUserError(f"expected a message of {HEADER.size} to {LARGEST} bytes, got one of {size}")
        payload = self._exactly(size - HEADER.size, descriptors)
        return None if payload is None else Message(number, command, flags, error, payload, descriptors)

    def _exactly(self, length: int, descriptors: list[int]) -> bytes | None:
        data = bytearray()
        while len(data) < length:
            try:
                part, ancillary, flags, _ = self._socket.recvmsg(length - len(data), _ROOM, socket.MSG_CMSG_CLOEXEC)
            except ConnectionError:
                return None
            for level, kind, value in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    numbers = array.array("i")
                    numbers.frombytes(value[: len(value) // numbers.itemsize * numbers.itemsize])
                    descriptors += numbers
            if flags & socket.MSG_CTRUNC or len(descriptors) > MOST_DESCRIPTORS:
                raise VfioUserError(f"expected at most {MOST_DESCRIPTORS} descriptors in a message, got more")
            if not part:
                return None
            data += part
        return bytes(data)

    def send(self, number: int, command: int, flags: int, payload: bytes = b"", error: int = 0) -> bool:
        """Send a message; return whether the peer is still there.

        Args:
            number: the message ID.
            command: its number.
            flags: of the header.
            payload: what follows the header.
            error: an errno, in a reply with the flag ERROR.
        """
        try:
            self._socket.sendall(HEADER.pack(number, command, HEADER.size + len(payload), flags, error) + payload)
        except ConnectionError:
            return False
        return True

    def set_timeout(self, seconds: float | None) -> None:
        """Set how long a `receive` waits; None is for ever."""
        self._socket.settimeout(seconds)

    def hang_up(self) -> None:
        """End the connection from any thread: a `receive` that waits returns None."""
        with suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
