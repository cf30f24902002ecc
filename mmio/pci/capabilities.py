"""PCI capabilities: the linked list of a function's features beyond the header.

Each says in the words of `mmio.device` which registers it has; `ConfigSpace` places them and makes the list. The
numbers are those of the PCI Local Bus Specification 3.0 (6.7, 6.8, appendix H), the PCI Bus Power Management Interface
Specification 1.2 (3.2) and the PCI Express Base Specification 3.0 (7.8).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from attrs import frozen

from mmio.arguments import flag, integer, shortened
from mmio.device.declared import Declared
from mmio.device.field import bit
from mmio.device.field import field as bits
from mmio.device.register import register

MSI_VECTORS: Final = 32
MSIX_VECTORS: Final = 2048
MSIX_ENTRY: Final = 16  # bytes of an entry of the table

_LANES: Final = (1, 2, 4, 8, 16)

Members = Mapping[str, Declared[Any]]


@frozen(eq=False, kw_only=True)
class Capability:
    """Base of all capabilities.

    A capability of your own is a subclass with an `id`, a `name`, a `length` and `registers`.

    Args:
        at: its place in configuration space, a multiple of 4 from 0x40 on; the next free one when left out.

    Attributes:
        id: the number in the list.
        name: of its registers, before their own: "MSI.CONTROL".
        extended: it is in the list that begins at 0x100.
    """

    id: ClassVar[int]
    name: ClassVar[str]
    extended: ClassVar[bool] = False
    at: int | None = None

    @property
    def length(self) -> int:
        """Bytes, the header among them."""
        raise NotImplementedError(f"{type(self).__name__} has no length")

    def registers(self, at: int, label: str) -> Members:
        """Declare the registers behind the header, each by the attribute that it has after the label's.

        Args:
            at: the place of the capability.
            label: what their names begin with: the name, or name and number where there are several of a kind.
        """
        raise NotImplementedError(f"{type(self).__name__} has no registers")


@frozen(eq=False, kw_only=True)
class PowerManagement(Capability):
    """Power management: states D0 and D3hot, and D1 and D2 when asked for.

    Args:
        at: as of `Capability`.
        d1: there is a state D1.
        d2: there is a state D2.
        no_soft_reset: the function keeps its registers on the way from D3hot to D0.
        pme: states from which it can signal an event, a bit each from D0 on.
    """

    id: ClassVar[int] = 0x01
    name: ClassVar[str] = "PM"
    d1: bool = False
    d2: bool = False
    no_soft_reset: bool = True
    pme: int = 0

    def __attrs_post_init__(self) -> None:
        flag("d1", self.d1)
        flag("d2", self.d2)
        flag("no_soft_reset", self.no_soft_reset)
        integer("pme", self.pme, 0, 31)

    @property
    def length(self) -> int:
        """Bytes."""
        return 8

    def registers(self, at: int, label: str) -> Members:
        """Declare PM.PMC and PM.PMCSR."""
        pmc = [
            bits("VERSION", 2, 0, reset=3),
            bit("D1", 9, reset=int(self.d1)),
            bit("D2", 10, reset=int(self.d2)),
            bits("PME", 15, 11, reset=self.pme),
        ]
        pmcsr = [
            bits("STATE", 1, 0, enum={0: "D0", 1: "D1", 2: "D2", 3: "D3HOT"}, access="rw"),
            bit("NO_SOFT_RESET", 3, reset=int(self.no_soft_reset)),
            bit("PME_ENABLE", 8, access="rw" if self.pme else "r"),
            bit("PME_STATUS", 15, access="rw" if self.pme else "r", on_write="woclr" if self.pme else None),
        ]
        return {
            "pm_pmc": register(at + 2, 2, fields=pmc, access="r", name=f"{label}.PMC"),
            "pm_pmcsr": register(at + 4, 2, fields=pmcsr, access="r", name=f"{label}.PMCSR"),
        }


@frozen(eq=False, kw_only=True)
class Msi(Capability):
    """Message signalled interrupts.

    Args:
        at: as of `Capability`.
        vectors: how many it asks for: 1, 2, 4, 8, 16 or 32.
        wide: addresses have 64 bits.
        maskable: each vector has a mask and a pending bit.
    """

    id: ClassVar[int] = 0x05
    name: ClassVar[str] = "MSI"
    vectors: int = 1
    wide: bool = True
    maskable: bool = False

    def __attrs_post_init__(self) -> None:
        flag("wide", self.wide)
        flag("maskable", self.maskable)
        vectors = integer("vectors", self.vectors, 1, MSI_VECTORS)
        if vectors & (vectors - 1):
            raise ValueError(f"MSI has 1, 2, 4, 8, 16 or 32 vectors, not {vectors}; MSI-X may have any number")

    @property
    def length(self) -> int:
        """Bytes."""
        return (0x0E if self.wide else 0x0A) if not self.maskable else (0x18 if self.wide else 0x14)

    def registers(self, at: int, label: str) -> Members:
        """Declare MSI.CONTROL, the address, the data, the masks and the pending bits."""
        asked = self.vectors.bit_length() - 1
        control = [
            bit("ENABLE", 0, access="rw"),
            bits("CAPABLE", 3, 1, reset=asked),
            bits("ENABLED", 6, 4, access="rw"),
            bit("WIDE", 7, reset=int(self.wide)),
            bit("MASKABLE", 8, reset=int(self.maskable)),
        ]
        after = at + (0x0C if self.wide else 0x08)
        found: dict[str, Declared[Any]] = {
            "msi_control": register(at + 2, 2, fields=control, access="r", name=f"{label}.CONTROL"),
            "msi_address": register(
                at + 4, fields=[bits("ADDRESS", 31, 2, access="rw")], access="r", name=f"{label}.ADDRESS"
            ),
            "msi_data": register(after, 2, name=f"{label}.DATA"),
        }
        if self.wide:
            found["address_high"] = register(at + 8, name=f"{label}.ADDRESS_HIGH")
        if self.maskable:
            each = [bits("VECTORS", self.vectors - 1, 0, access="rw")]
            found["mask"] = register(after + 4, fields=each, access="r", name=f"{label}.MASK")
            found["pending"] = register(after + 8, access="r", name=f"{label}.PENDING")
        return found


@frozen(eq=False, kw_only=True)
class MsiX(Capability):
    """Message signalled interrupts by a table in a region of the function.

    Args:
        at: as of `Capability`.
        vectors: entries of the table, 1 to 2048.
        table: the BAR with the table, and the offset there, a multiple of 8.
        pending: the BAR with the pending bits, and the offset there; right behind the table when left out.

    Raises:
        TypeError, ValueError: an argument is not what it should be.
    """

    id: ClassVar[int] = 0x11
    name: ClassVar[str] = "MSIX"
    vectors: int = 1
    table: tuple[int, int] = (0, 0)
    pending: tuple[int, int] | None = None

    def __attrs_post_init__(self) -> None:
        integer("vectors", self.vectors, 1, MSIX_VECTORS)
        for what, place in (("table", self.table), ("pending", self.pending_at)):
            if not isinstance(place, tuple) or len(place) != 2:
                raise TypeError(f"{what} is (number of a BAR, offset in it), not {shortened(place)}")
            integer(f"the BAR of the {what}", place[0], 0, 5)
            if integer(f"the offset of the {what}", place[1], 0, (1 << 32) - 1) % 8:
                raise ValueError(f"the offset of the {what} is a multiple of 8, not {place[1]:#x}")

    @property
    def pending_at(self) -> tuple[int, int]:
        """The BAR with the pending bits, and the offset there."""
        if self.pending is not None or not isinstance(self.table, tuple) or len(self.table) != 2:
            return self.pending or self.table
        return self.table[0], self.table[1] + MSIX_ENTRY * self.vectors

    @property
    def pending_length(self) -> int:
        """Bytes of the pending bits: whole quadwords."""
        return -(-self.vectors // 64) * 8

    @property
    def length(self) -> int:
        """Bytes."""
        return 12

    def registers(self, at: int, label: str) -> Members:
        """Declare MSIX.CONTROL, MSIX.TABLE and MSIX.PBA."""
        control = [
            bits("SIZE", 10, 0, reset=self.vectors - 1),
            bit("MASKED", 14, access="rw"),
            bit("ENABLE", 15, access="rw"),
        ]

        def place(bar: int, offset: int) -> list[Any]:
            return [bits("BAR", 2, 0, reset=bar), bits("OFFSET", 31, 3, reset=offset >> 3)]

        return {
            "msix_control": register(at + 2, 2, fields=control, access="r", name=f"{label}.CONTROL"),
            "msix_table": register(at + 4, fields=place(*self.table), access="r", name=f"{label}.TABLE"),
            "msix_pba": register(at + 8, fields=place(*self.pending_at), access="r", name=f"{label}.PBA"),
        }


@frozen(eq=False, kw_only=True)
class PcieEndpoint(Capability):
    """PCI Express: an endpoint, version 2 of the capability. Configuration space has 4,096 bytes with it.

    Args:
        at: as of `Capability`.
        speed: of the link: 1 for 2.5 GT/s, 2 for 5, 3 for 8.
        width: of the link, in lanes.
        flr: DEVCTL.FLR resets the function.
        payload: the largest payload, 0 for 128 bytes to 5 for 4096.
    """

    id: ClassVar[int] = 0x10
    name: ClassVar[str] = "PCIE"
    speed: int = 1
    width: int = 1
    flr: bool = True
    payload: int = 0

    def __attrs_post_init__(self) -> None:
        integer("speed", self.speed, 1, 3)
        if integer("width", self.width) not in _LANES:
            raise ValueError(f"width is one of {', '.join(map(str, _LANES))} lanes, not {shortened(self.width)}")
        flag("flr", self.flr)
        integer("payload", self.payload, 0, 5)

    @property
    def length(self) -> int:
        """Bytes."""
        return 0x3C

    def registers(self, at: int, label: str) -> Members:
        """Declare the registers of an endpoint: those of slots and root ports are reserved there."""
        errors = [bit("CORRECTABLE", 0), bit("NONFATAL", 1), bit("FATAL", 2), bit("UNSUPPORTED", 3)]
        devcap = [
            bits("PAYLOAD", 2, 0, reset=self.payload),
            bit("ROLE_BASED", 15, reset=1),
            bit("FLR", 28, reset=int(self.flr)),
        ]
        devctl = [
            *errors,
            bit("RELAXED", 4, reset=1),
            bits("PAYLOAD", 7, 5),
            bit("EXTENDED_TAG", 8, access="r"),
            bit("PHANTOM", 9, access="r"),
            bit("AUX_POWER", 10, access="r"),
            bit("NO_SNOOP", 11, reset=1),
            bits("READ_REQUEST", 14, 12, reset=2),
            bit("FLR", 15, access="rw" if self.flr else "r"),
        ]
        devsta = [
            *(bit(f.name, f.lsb, access="rw", on_write="woclr") for f in errors),
            bit("AUX", 4),
            bit("PENDING", 5),
        ]
        lnkcap = [bits("SPEED", 3, 0, reset=self.speed), bits("WIDTH", 9, 4, reset=self.width)]
        lnkctl = [
            bits("ASPM", 1, 0, access="rw"),
            bit("RCB", 3, access="rw"),
            bit("COMMON_CLOCK", 6, access="rw"),
            bit("EXTENDED_SYNCH", 7, access="rw"),
        ]
        timeouts = [bits("TIMEOUT", 3, 0, access="rw"), bit("TIMEOUT_OFF", 4, access="rw")]
        kind = [bits("VERSION", 3, 0, reset=2), bits("TYPE", 7, 4, enum={0: "ENDPOINT"}), bits("MESSAGE", 13, 9)]
        speeds = [bits("SPEEDS", 7, 1, reset=(1 << self.speed) - 1)]
        lnkctl2 = [bits("TARGET_SPEED", 3, 0, reset=self.speed, access="rw")]

        def named(offset: int, width: int, name: str, fields: list[Any], access: Any = "r") -> Declared[Any]:
            return register(at + offset, width, fields=fields, access=access, name=f"{label}.{name}")

        return {
            "pcie_cap": named(0x02, 2, "CAP", kind),
            "pcie_devcap": named(0x04, 4, "DEVCAP", devcap),
            "pcie_devctl": named(0x08, 2, "DEVCTL", devctl, "rw"),
            "pcie_devsta": named(0x0A, 2, "DEVSTA", devsta),
            "pcie_lnkcap": named(0x0C, 4, "LNKCAP", lnkcap),
            "pcie_lnkctl": named(0x10, 2, "LNKCTL", lnkctl),
            "pcie_lnksta": named(0x12, 2, "LNKSTA", lnkcap),
            "pcie_devcap2": named(0x24, 4, "DEVCAP2", [bit("TIMEOUT_OFF", 4, reset=1)]),
            "pcie_devctl2": named(0x28, 2, "DEVCTL2", timeouts),
            "pcie_lnkcap2": named(0x2C, 4, "LNKCAP2", speeds),
            "pcie_lnkctl2": named(0x30, 2, "LNKCTL2", lnkctl2),
            "pcie_lnksta2": named(0x32, 2, "LNKSTA2", []),
        }


@frozen(eq=False, kw_only=True)
class VendorSpecific(Capability):
    """Bytes that the vendor has given a meaning.

    Args:
        at: as of `Capability`.
        data: what follows the length byte, at most 252 bytes less than the room there is.
        writable: software may write them.
    """

    id: ClassVar[int] = 0x09
    name: ClassVar[str] = "VENDOR"
    data: bytes = b""
    writable: bool = False

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.data, bytes):
            raise TypeError(f"data is bytes, not {shortened(self.data)}")
        flag("writable", self.writable)

    @property
    def length(self) -> int:
        """Bytes."""
        return 3 + len(self.data)

    def registers(self, at: int, label: str) -> Members:
        """Declare the length and a register for each byte."""
        access: Any = "rw" if self.writable else "r"
        found: dict[str, Declared[Any]] = {
            f"data{number}": register(at + 3 + number, 1, byte, access=access, name=f"{label}.DATA{number}")
            for number, byte in enumerate(self.data)
        }
        return {"vendor_length": register(at + 2, 1, self.length, access="r", name=f"{label}.LENGTH")} | found


@frozen(eq=False, kw_only=True)
class SerialNumber(Capability):
    """The device serial number (an extended capability): 64 bits, an EUI-64.

    Args:
        at: its place, a multiple of 4 from 0x100 on.
        number: the serial number.
    """

    id: ClassVar[int] = 0x0003
    name: ClassVar[str] = "SERIAL"
    extended: ClassVar[bool] = True
    number: int = 0

    def __attrs_post_init__(self) -> None:
        integer("number", self.number, 0, (1 << 64) - 1)

    @property
    def length(self) -> int:
        """Bytes."""
        return 12

    def registers(self, at: int, label: str) -> Members:
        """Declare the two halves."""
        return {
            "serial_low": register(at + 4, reset=self.number & (1 << 32) - 1, access="r", name=f"{label}.LOW"),
            "serial_high": register(at + 8, reset=self.number >> 32, access="r", name=f"{label}.HIGH"),
        }
