"""Virtio devices over MMIO: registers, feature negotiation, split queues as iterators of descriptor chains."""

from mmio.virtio.console import VirtioConsole
from mmio.virtio.queue import Buffer, Chain, Virtqueue, VirtqueueError
from mmio.virtio.rng import VirtioRng
from mmio.virtio.transport import CONFIG, VirtioMmio

__all__ = [
    "CONFIG",
    "Buffer",
    "Chain",
    "VirtioConsole",
    "VirtioMmio",
    "VirtioRng",
    "Virtqueue",
    "VirtqueueError",
]
