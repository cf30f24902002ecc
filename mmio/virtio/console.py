"""A console (virtio 1.2, 5.3): one queue of buffers to receive into, one queue of data to send."""

from typing import Final

from mmio.arguments import shortened
from mmio.device.register import register
from mmio.virtio.queue import Virtqueue
from mmio.virtio.transport import CONFIG, VirtioMmio

_DEVICE: Final = 3
_SIZE: Final = 1 << 0  # VIRTIO_CONSOLE_F_SIZE
_RECEIVE, _TRANSMIT = 0, 1
_MOST: Final = 1 << 20  # bytes of one chain that are taken


class VirtioConsole(VirtioMmio):
    """A console of one port.

    Args:
        columns: of the terminal.
        rows: of the terminal.

    Attributes:
        sent: what the driver has written.
    """

    cols = register(CONFIG, width=2, access="r")
    rows = register(CONFIG + 2, width=2, access="r")
    max_ports = register(CONFIG + 4, access="r", reset=1, name="MAX_NR_PORTS")

    def __init__(self, columns: int = 80, rows: int = 25) -> None:
        super().__init__(_DEVICE, queues=[64, 64], features=_SIZE)
        self.sent = bytearray()
        self._waiting = bytearray()
        self._size = columns, rows
        self.cols.value, self.rows.value = self._size

    def reset(self) -> None:
        """Reset it; the size of the terminal stays."""
        super().reset()
        self.cols.value, self.rows.value = self._size

    def receive(self, data: bytes) -> None:
        """Type: what the driver has no buffer for yet waits.

        Args:
            data: the bytes.

        Raises:
            TypeError: it is no bytes.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data is bytes, not {shortened(data)}")
        self._waiting += data
        self.serve(_RECEIVE)

    def notified(self, queue: Virtqueue) -> None:
        """Take what is sent, and fill what there is to receive into."""
        if queue.index == _TRANSMIT:
            for chain in queue:
                self.sent += chain.read(_MOST)
                chain.complete()
            return
        while self._waiting and (free := queue.pop()) is not None:
            del self._waiting[: free.write(bytes(self._waiting))]
            free.complete()
