"""Configuration space of a function: the type 0 header, followed by the capabilities.

The registers of each function are declared for it, with its numbers as reset values and its masks as fields; so BAR
sizing, write masks and bits that are cleared by ones are those of any `Device`. What no register has reads as zero, and
writes to it are lost (PCI Local Bus Specification 3.0, 6.1).
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from mmio.arguments import integer, shortened
from mmio.device.declared import Declared
from mmio.device.device import Device
from mmio.device.field import bit, field
from mmio.device.register import register
from mmio.pci.capabilities import Capability
from mmio.records.printable import printable

HEADER_END: Final = 0x40
LIST_END: Final = 0x100  # of the space that configuration mechanism #1 reaches
EXPRESS_END: Final = 0x1000

_DEVSEL: Final = {0: "FAST", 1: "MEDIUM", 2: "SLOW"}


class ConfigSpace(Device):
    """Registers of every type 0 header. `config_space` makes the class of one function."""

    vendor_id = register(0x00, width=2, access="r")
    device_id = register(0x02, width=2, access="r")
    command = register(
        0x04,
        width=2,
        access="r",
        fields=[
            bit("IO", 0, access="rw"),
            bit("MEMORY", 1, access="rw"),
            bit("MASTER", 2, access="rw"),
            bit("SPECIAL", 3),
            bit("INVALIDATE", 4, access="rw"),
            bit("VGA_SNOOP", 5),
            bit("PARITY", 6, access="rw"),
            bit("SERR", 8, access="rw"),
            bit("FAST_BACK", 9),
            bit("INTX_OFF", 10, access="rw"),
        ],
    )
    status = register(
        0x06,
        width=2,
        access="r",
        fields=[
            bit("INTERRUPT", 3),
            bit("CAPABILITIES", 4),
            bit("66MHZ", 5),
            bit("FAST_BACK", 7),
            field("DEVSEL", 10, 9, enum=_DEVSEL),
            *(
                bit(name, number, access="rw", on_write="woclr")
                for name, number in (
                    ("MASTER_PARITY", 8),
                    ("SIGNALED_ABORT", 11),
                    ("RECEIVED_ABORT", 12),
                    ("MASTER_ABORT", 13),
                    ("SIGNALED_ERROR", 14),
                    ("PARITY", 15),
                )
            ),
        ],
    )
    revision_id = register(0x08, width=1, access="r")
    interface = register(0x09, width=1, access="r")
    subclass = register(0x0A, width=1, access="r")
    base_class = register(0x0B, width=1, access="r")
    cache_line_size = register(0x0C, width=1)
    latency_timer = register(0x0D, width=1)
    header_type = register(0x0E, width=1, access="r", fields=[field("LAYOUT", 6, 0), bit("MULTIFUNCTION", 7)])
    subsystem_vendor_id = register(0x2C, width=2, access="r")
    subsystem_id = register(0x2E, width=2, access="r")
    capabilities = register(0x34, width=1, access="r")
    interrupt_line = register(0x3C, width=1)
    interrupt_pin = register(0x3D, width=1, access="r", fields=[field("PIN", 2, 0, enum=dict(enumerate("-ABCD")))])
    min_grant = register(0x3E, width=1, access="r")
    max_latency = register(0x3F, width=1, access="r")

    length = LIST_END
    changed: Callable[[], object] | None = None
    """Called after each write to a register, when set."""

    def read(self, offset: int, width: int) -> int:
        """Answer a read; what has no register reads as zero."""
        holes = super().holes(offset, width)
        if not holes:
            return super().read(offset, width)
        value = 0
        for byte in range(width):
            if not holes >> 8 * byte & 1:
                value |= super().read(offset + byte, 1) << 8 * byte
        return value

    def write(self, offset: int, width: int, value: int) -> None:
        """Take a write; what has no register takes none."""
        holes = super().holes(offset, width)
        if not holes:
            super().write(offset, width, value)
            return
        for byte in range(width):
            if not holes >> 8 * byte & 1:
                super().write(offset + byte, 1, value >> 8 * byte & 0xFF)

    def holes(self, offset: int, width: int) -> int:
        """Return 0: every byte answers."""
        return 0


Place = tuple[int, str, Capability]  # offset, what its registers' names begin with, which one


def place(capabilities: Sequence[Capability]) -> list[Place]:
    """Return the place of each capability: its own, or the next free one in its list, in the order given.

    Raises:
        TypeError: one is no capability.
        ValueError: one does not fit, or overlaps another.
    """
    labels: list[str] = []
    for capability in capabilities:
        if isinstance(capability, type) or not isinstance(capability, Capability):
            raise TypeError(f"capabilities are made as PowerManagement(), not {shortened(capability)}")
        names = (capability.name + (str(number) if number > 1 else "") for number in count(1))
        labels.append(next(name for name in names if name not in labels))
    taken: list[tuple[range, str]] = []
    places: dict[int, int] = {}
    # Those that must be at a place first, so that the others can keep out of their way.
    for number in sorted(range(len(labels)), key=lambda number: capabilities[number].at is None):
        label, capability = labels[number], capabilities[number]
        first, end = (LIST_END, EXPRESS_END) if capability.extended else (HEADER_END, LIST_END)
        at = capability.at
        if at is None:
            at = _free([span for span, _ in taken], first, end, capability.length)
            if at is None:
                raise ValueError(
                    f"capability {label} takes {capability.length:#x} bytes, and there is no such room left in "
                    f"{first:#x}..{end:#x}"
                )
        integer(f"the place of capability {label}", at, first, end - 4)
        span = range(at, at + capability.length)
        if at % 4 or span.stop > end:
            raise ValueError(
                f"capability {label} at {at:#x}..{span.stop:#x}: expected a multiple of 4 within {first:#x}..{end:#x}"
            )
        for other, name in taken:
            if span.start < other.stop and other.start < span.stop:
                there = f"{name} at {other.start:#x}..{other.stop:#x}"
                raise ValueError(f"capability {label} at {at:#x}..{span.stop:#x} overlaps {there}")
        taken.append((span, label))
        places[number] = at
    found = [(places[number], label, capabilities[number]) for number, label in enumerate(labels)]
    if found and any(one[2].extended for one in found) and min(o[0] for o in found if o[2].extended) != LIST_END:
        raise ValueError(f"the list of extended capabilities begins at {LIST_END:#x}; place one there")
    return found


def _free(taken: Sequence[range], first: int, end: int, length: int) -> int | None:
    """Return the first place where so many bytes are free."""
    at = first
    for span in sorted(taken, key=lambda span: span.start):
        if span.start < at + length and at < span.stop:
            at = -(-span.stop // 4) * 4
    return at if at + length <= end else None


def headers(places: Sequence[Place]) -> dict[str, Declared[Any]]:
    """Declare what chains the capabilities: the identifiers, and where the next one is."""
    found: dict[str, Declared[Any]] = {}
    ordinary = [one for one in places if not one[2].extended]
    for number, (at, label, capability) in enumerate(ordinary):
        after = ordinary[number + 1][0] if number + 1 < len(ordinary) else 0
        found[f"cap_{label.lower()}_id"] = register(at, 1, capability.id, access="r", name=f"{label}.ID")
        found[f"cap_{label.lower()}_next"] = register(at + 1, 1, after, access="r", name=f"{label}.NEXT")
    if ordinary:
        found["capabilities"] = register(0x34, 1, ordinary[0][0], access="r")
    extended = sorted((one for one in places if one[2].extended), key=lambda one: one[0])
    for number, (at, label, capability) in enumerate(extended):
        after = extended[number + 1][0] if number + 1 < len(extended) else 0
        fields = [
            field("ID", 15, 0, reset=capability.id),
            field("VERSION", 19, 16, reset=1),
            field("NEXT", 31, 20, reset=after),
        ]
        found[f"cap_{label.lower()}_header"] = register(at, fields=fields, access="r", name=f"{label}.HEADER")
    return found


def _written(self: ConfigSpace, *_: int) -> None:
    """Report to the function that software has written a register."""
    if self.changed is not None:
        self.changed()


def config_space(name: str, numbers: Mapping[str, int], registers: Mapping[str, Declared[Any]], length: int) -> Any:
    """Return the configuration space of one function, with a class of its own.

    Args:
        name: of the class, which records show.
        numbers: reset values of registers of the header, by attribute.
        registers: all that not every header has, by attribute.
        length: in bytes.

    Raises:
        ValueError: a number does not fit its register.
    """
    members: dict[str, Any] = dict(registers)
    for attribute in ("command", *numbers):
        declared: Declared[Any] = getattr(ConfigSpace, attribute)
        number = integer(attribute, numbers.get(attribute, 0), 0, (1 << 8 * declared.width) - 1)
        members[attribute] = register(declared.offset, declared.width, number, declared.fields, access=declared.access)
    for attribute, declared in members.items():
        declared.check(f"{name}.{attribute}")
        if declared.effects.writable:
            declared.noted.append(("written", _written))
    members["_written"] = _written
    return type(printable(name), (ConfigSpace,), {"length": length, "__doc__": ConfigSpace.__doc__, **members})()
