"""A source of entropy (virtio 1.2, 5.4): one queue, whose buffers are filled with random bytes."""

import os
from collections.abc import Callable
from typing import Final

from mmio.arguments import shortened
from mmio.virtio.queue import Virtqueue
from mmio.virtio.transport import VirtioMmio

_DEVICE: Final = 4
_MOST: Final = 1 << 16  # bytes at once: a device may fill less than there is room for


class VirtioRng(VirtioMmio):
    """A source of entropy.

    Args:
        source: returns so many bytes; the kernel's random ones when left out.

    Raises:
        TypeError: the source is no function.
    """

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        if not callable(source):
            raise TypeError(f"source is a function that returns so many bytes, not {shortened(source)}")
        super().__init__(_DEVICE, queues=[64])
        self._source = source

    def notified(self, queue: Virtqueue) -> None:
        """Fill what the driver has given."""
        for chain in queue:
            chain.write(self._source(min(chain.capacity, _MOST)))
            chain.complete()
