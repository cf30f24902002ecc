"""Error for a feature of the part that its model does not implement."""

from mmio.errors import MmioError


class NotModelled(MmioError, NotImplementedError):
    """Firmware used a feature of the part that the model does not implement.

    Going on would show the firmware a device that does something else. A subclass of the model can do it.

    Args:
        device: the device.
        what: the firmware asked for, with the register field: "centre-aligned counting (CR1.CMS=1)".
    """

    def __init__(self, device: object, what: str) -> None:
        super().__init__(f"{type(device).__name__} does not model {what}; subclass it, or put a model in its place")
