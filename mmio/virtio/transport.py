"""The registers of a virtio device over MMIO (virtio 1.2, 4.2): features, status, queues, interrupts."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from mmio.arguments import integer, shortened
from mmio.device.device import Device
from mmio.device.field import bit
from mmio.device.line import line
from mmio.device.memory import ProgramMemoryError
from mmio.device.register import register
from mmio.virtio.queue import MOST, Virtqueue, VirtqueueError

INDIRECT_DESC: Final = 1 << 28
EVENT_IDX: Final = 1 << 29
VERSION_1: Final = 1 << 32
RING_FEATURES: Final = INDIRECT_DESC | EVENT_IDX
CONFIG: Final = 0x100
"""The offset of the registers of the device's own, which a subclass declares."""

_MAGIC: Final = 0x74726976  # "virt"
_VERSION: Final = 2
_NEEDS_RESET: Final = 0x40
_USED_BUFFERS, _CONFIG_CHANGED = 1, 2  # of InterruptStatus
_NO_REGION: Final = 0xFFFFFFFF  # a shared memory region that is not there has a length of -1


class VirtioMmio(Device):
    """A virtio device behind its MMIO registers. A subclass overrides `notified`, and declares its own registers.

        class Echo(VirtioMmio):
            limit = register(CONFIG, width=4, reset=64, access="r")

            def __init__(self):
                super().__init__(device_id=42, queues=[8])

            def notified(self, queue):
                for chain in queue:
                    chain.write(chain.read())
                    chain.complete()

    What a driver does wrong with a queue is in `problems`, and the driver sees DEVICE_NEEDS_RESET in STATUS.

    Args:
        device_id: the kind of device (5 of the specification): 4 is a source of entropy.
        queues: the largest size of each queue.
        features: bits that the device offers, besides VIRTIO_F_VERSION_1 and those of the rings.
        vendor: its number.

    Attributes:
        queues: the queues.
        features: all bits that the device offers.
        driver_features: those that the driver has accepted.
        problems: what the driver has done wrong, in words.

    Raises:
        TypeError, ValueError: an argument is not what it should be.
    """

    magic = register(0x000, reset=_MAGIC, access="r", name="MAGIC_VALUE")
    version = register(0x004, reset=_VERSION, access="r")
    device_id = register(0x008, access="r")
    vendor_id = register(0x00C, access="r")
    device_features = register(0x010, access="r")
    device_features_sel = register(0x014, access="w")
    features_written = register(0x020, access="w", name="DRIVER_FEATURES")
    driver_features_sel = register(0x024, access="w")
    queue_sel = register(0x030, access="w")
    queue_size_max = register(0x034, access="r")
    queue_size = register(0x038, access="w")
    queue_ready = register(0x044)
    queue_notify = register(0x050, access="w")
    interrupt_status = register(0x060, access="r", fields=[bit("USED", 0), bit("CONFIG", 1)])
    interrupt_ack = register(0x064, access="w", fields=[bit("USED", 0), bit("CONFIG", 1)])
    status = register(
        0x070,
        fields=[
            bit("ACKNOWLEDGE", 0),
            bit("DRIVER", 1),
            bit("DRIVER_OK", 2),
            bit("FEATURES_OK", 3),
            bit("NEEDS_RESET", 6),
            bit("FAILED", 7),
        ],
    )
    queue_desc_low = register(0x080, access="w")
    queue_desc_high = register(0x084, access="w")
    queue_driver_low = register(0x090, access="w")
    queue_driver_high = register(0x094, access="w")
    queue_device_low = register(0x0A0, access="w")
    queue_device_high = register(0x0A4, access="w")
    shm_sel = register(0x0AC, access="w")
    shm_len_low = register(0x0B0, reset=_NO_REGION, access="r")
    shm_len_high = register(0x0B4, reset=_NO_REGION, access="r")
    shm_base_low = register(0x0B8, reset=_NO_REGION, access="r")
    shm_base_high = register(0x0BC, reset=_NO_REGION, access="r")
    config_generation = register(0x0FC, access="r")
    irq = line()

    length = 0x200

    def __init__(self, device_id: int, queues: Sequence[int], features: int = 0, vendor: int = 0x554D4551) -> None:
        self.device_id.value = integer("device_id", device_id, 0, 0xFFFFFFFF)
        self.vendor_id.value = integer("vendor", vendor, 0, 0xFFFFFFFF)
        self.features = integer("features", features, 0, (1 << 64) - 1) | VERSION_1 | RING_FEATURES
        self.driver_features = 0
        self.problems: list[str] = []
        if isinstance(queues, str | bytes) or not isinstance(queues, Sequence):
            raise TypeError(f"queues is the largest size of each queue, as [64, 64], not {shortened(queues)}")
        self.queues = [
            Virtqueue(index, _size(most), lambda: self.memory, partial(self._raise, _USED_BUFFERS))
            for index, most in enumerate(queues)
        ]

    def notified(self, queue: Virtqueue) -> None:
        """Serve a queue that the driver has put chains into. For a subclass to override.

        Args:
            queue: which one.
        """

    def accepts(self, features: int) -> bool:
        """Return whether the device works with the features that the driver has chosen. A subclass may refuse some.

        Args:
            features: a subset of those that are offered, with VIRTIO_F_VERSION_1.
        """
        return True

    def serve(self, index: int) -> None:
        """Call `notified` for a queue, if the driver has set it up; what the driver has done wrong there is noted.

        Args:
            index: of the queue.
        """
        if not 0 <= index < len(self.queues) or not self.status.DRIVER_OK or self.status.NEEDS_RESET:
            return
        try:
            self.notified(self.queues[index])
        except (VirtqueueError, ProgramMemoryError) as error:
            self.fail(str(error))

    def fail(self, problem: str) -> None:
        """Note what the driver has done wrong, and ask for a reset.

        Args:
            problem: in words.
        """
        self.problems.append(problem)
        self.status.NEEDS_RESET = 1
        if self.status.DRIVER_OK:
            self._raise(_CONFIG_CHANGED)

    def config_changed(self) -> None:
        """Notify the driver that registers of the device's own have changed."""
        self.config_generation.value = (self.config_generation.value + 1) & 0xFFFFFFFF
        if self.status.DRIVER_OK:
            self._raise(_CONFIG_CHANGED)

    def reset(self) -> None:
        """Reset the device, as a driver does by writing 0 to STATUS. What it is stays."""
        kept = self.device_id.value, self.vendor_id.value
        super().reset()
        self.device_id.value, self.vendor_id.value = kept
        self.driver_features = 0
        for queue in self.queues:
            queue.reset()

    def snapshot(self) -> dict[str, Any]:
        """Add the queues and the features."""
        queues = [queue.snapshot() for queue in self.queues]
        return super().snapshot() | {"queues": queues, "driver_features": self.driver_features}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it all back, quietly."""
        super().restore(state)
        self.driver_features = state["driver_features"]
        for queue, values in zip(self.queues, state["queues"], strict=True):
            queue.restore(values)

    # Registers.

    @device_features.reads
    def _offer(self) -> int:
        return _half(self.features, self.device_features_sel.value)

    @features_written.written
    def _accept(self, old: int, new: int) -> None:
        selected = self.driver_features_sel.value
        if selected < 2 and not self.status.FEATURES_OK:
            kept = self.driver_features & ~(0xFFFFFFFF << 32 * selected)
            self.driver_features = kept | new << 32 * selected

    @property
    def _selected(self) -> Virtqueue | None:
        index = self.queue_sel.value
        return self.queues[index] if index < len(self.queues) else None

    @queue_size_max.reads
    def _tell_size(self) -> int:
        queue = self._selected
        return 0 if queue is None else queue.most

    @queue_size.written
    def _set_size(self, old: int, new: int) -> None:
        if (queue := self._settable()) is not None:
            queue.size = new

    @queue_ready.reads
    def _tell_ready(self) -> int:
        queue = self._selected
        return int(queue is not None and queue.ready)

    @queue_ready.written
    def _set_ready(self, old: int, new: int) -> None:
        queue = self._selected
        if queue is None:
            return
        try:
            if new & 1:
                queue.check()
            queue.event_index = bool(self.driver_features & EVENT_IDX)
            queue.ready = bool(new & 1)
        except VirtqueueError as error:
            self.fail(str(error))

    @queue_notify.written
    def _notify(self, old: int, new: int) -> None:
        self.serve(new & 0xFFFF)

    @queue_desc_low.written
    def _set_desc_low(self, old: int, new: int) -> None:
        self._set_address("desc", 0, new)

    @queue_desc_high.written
    def _set_desc_high(self, old: int, new: int) -> None:
        self._set_address("desc", 32, new)

    @queue_driver_low.written
    def _set_driver_low(self, old: int, new: int) -> None:
        self._set_address("driver", 0, new)

    @queue_driver_high.written
    def _set_driver_high(self, old: int, new: int) -> None:
        self._set_address("driver", 32, new)

    @queue_device_low.written
    def _set_device_low(self, old: int, new: int) -> None:
        self._set_address("device", 0, new)

    @queue_device_high.written
    def _set_device_high(self, old: int, new: int) -> None:
        self._set_address("device", 32, new)

    def _settable(self) -> Virtqueue | None:
        """Return the selected queue unless it is in use: its place is settled then."""
        queue = self._selected
        return None if queue is None or queue.ready else queue

    def _set_address(self, part: str, shift: int, value: int) -> None:
        if (queue := self._settable()) is not None:
            old: int = getattr(queue, part)
            setattr(queue, part, old & ~(0xFFFFFFFF << shift) | value << shift)

    @status.written
    def _set_status(self, old: int, new: int) -> None:
        if new == 0:
            self.reset()
            return
        self.status.value = new & ~_NEEDS_RESET | old & _NEEDS_RESET
        chosen = self.driver_features
        fits = not chosen & ~self.features and chosen & VERSION_1
        if self.status.FEATURES_OK and not (fits and self.accepts(chosen)):
            self.status.FEATURES_OK = 0  # 3.1.1: the driver reads it back to see

    @interrupt_ack.written
    def _acknowledge(self, old: int, new: int) -> None:
        self.interrupt_status.value &= ~new
        self.irq.set(self.interrupt_status.value != 0)

    def _raise(self, cause: int) -> None:
        self.interrupt_status.value |= cause
        self.irq.set(True)


def _size(most: Any) -> int:
    number = integer("the largest size of a queue", most, 1, MOST)
    if number & (number - 1):
        raise ValueError(f"the largest size of a queue is a power of two, not {number}")
    return number


def _half(features: int, selected: int) -> int:
    return features >> 32 * selected & 0xFFFFFFFF if selected < 2 else 0
