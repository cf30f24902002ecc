"""From an SVD peripheral to a device class.

SVD says less about a register than SystemRDL: one access, one effect of reading, one of writing, for the register and
again for each field; the reset value is the register's. What it has and a `Device` has not becomes a note.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from math import prod
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from mmio.descriptions.assembly import Described, Entry, Shape, assemble, behaviour, declare
from mmio.descriptions.report import Report
from mmio.descriptions.svd.elements import Element, label
from mmio.descriptions.svd.file import read_peripheral
from mmio.descriptions.svd.words import KNOWN, UNDONE
from mmio.device.block import Block, block
from mmio.device.effects import Bits
from mmio.device.field import Field

if TYPE_CHECKING:
    from cmsis_svd.model import SVDField as SvdField
    from cmsis_svd.model import SVDPeripheral, SVDRegister, SVDRegisterCluster

ACCESS: Final = {
    "read-write": "rw",
    "read-only": "r",
    "write-only": "w",
    "read-writeOnce": "rw1",
    "writeOnce": "w1",
}
ON_READ: Final = {"clear": "rclr", "set": "rset"}
ON_WRITE: Final = {
    "oneToClear": "woclr",
    "oneToSet": "woset",
    "oneToToggle": "wot",
    "zeroToClear": "wzc",
    "zeroToSet": "wzs",
    "zeroToToggle": "wzt",
    "clear": "wclr",
    "set": "wset",
}
PLAIN: Final = "modify"  # SVD's word for a write without an effect


def from_svd(path: str | PathLike[str], peripheral: str, *, without: Iterable[str] = ()) -> type[Any]:
    """Make a Device class from a peripheral of a CMSIS-SVD file.

        Uart = mmio.from_svd("chip.svd", "UART1")

    A class, so that a model can be made of it: subclass it and hang handlers on its registers, or call it as it is.
    Registers, clusters and fields are called as the file has them.

    Args:
        path: of the file.
        peripheral: its name in the file.
        without: registers, clusters or fields to leave out: `without=["DR", "DMA.CTRL", "CR.EN"]`.

    Warns:
        DescriptionWarning: the file says things that a Device does not do; `notes` of the class lists them.

    Raises:
        ImportError: cmsis-svd is missing.
        DescriptionError: the file, or what it says of the peripheral, is not right.
    """
    try:
        from cmsis_svd.parser import SVDParser
    except ImportError as error:
        raise ImportError("reading SVD needs cmsis-svd: pip install 'pagetrap[svd]'", name=error.name) from error
    report = Report(path, without, peripheral)
    root = read_peripheral(path, peripheral)
    _survey(root, report)
    try:
        described = SVDParser(root.getroottree()).get_device().get_peripherals()[0]
    except Exception as error:  # the parser's own mistake, over unexpected input
        report.fail(f"cmsis-svd failed over it: {type(error).__name__}: {error}", error)
    device = _Reader(report).device(described, fspath(path))
    report.check()
    if not device.layout.places:
        report.fail(f"{peripheral} has no registers")
    device.notes = tuple(report.notes)
    report.warn()
    return device


def _survey(root: Element, report: Report) -> None:
    """Note what the model will not have; raise DescriptionError for what it should not grow to."""
    bits = root.findtext("addressUnitBits", "8")
    if bits != "8":
        report.fail(f"<addressUnitBits> is {bits}, expected 8: offsets are bytes")
    for each in root.iterfind("peripherals/peripheral//*"):
        if each.tag in UNDONE or each.tag not in KNOWN:
            name = label(each).removeprefix(f"{report.device}.")
            report.note(name, each.tag, UNDONE.get(each.tag, "unknown, and passed over"))
    for each in list(root.iter("dataType", "dimArrayIndex", "protection")):
        each.getparent().remove(each)  # which the model refuses where they are wrong, and we do not use
    for each in root.iter("register", "field"):
        dims = [int(outer.findtext("dim", "1")) for outer in (each, *each.iterancestors("register", "cluster"))]
        report.count(label(each), prod(dims), counted=each.tag == "register")


class _Reader:
    """Reads the model of one peripheral."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def device(self, peripheral: "SVDPeripheral", source: str) -> type[Described]:
        """Make the class of a peripheral."""
        for interrupt in peripheral.interrupts or ():
            text = f"number {interrupt.value} is not driven; declare irq = line() and set it"
            self.report.note(peripheral.name or "", f"interrupt {interrupt.name}", text)
        entries = self.entries(peripheral.registers or (), "")
        name = peripheral.name or ""
        return assemble(name, entries, self.report, source=source, base_address=peripheral.base_address or 0)

    def entries(self, registers: Iterable[Any], scope: str) -> Iterator[Entry]:
        """Iterate over what a peripheral or a cluster has. `scope`: the path of the cluster, with a dot."""
        for each in registers:
            cluster = getattr(each, "meta_cluster", None)
            if cluster is not None:
                yield from self.cluster(cluster, scope)
            else:
                yield from self.register(getattr(each, "meta_register", each), scope)

    def cluster(self, cluster: "SVDRegisterCluster", scope: str) -> Iterator[Entry]:
        """Iterate over the blocks one cluster is: one class, as many times as it has elements."""
        path = scope + _bare(cluster.name)
        if not self.report.wants(path):
            return
        inner = assemble(path, self.entries([*cluster.registers, *cluster.clusters], f"{path}."), self.report)
        increment = cluster.dim_increment or 0
        for i, each in enumerate((cluster.dim_index or [""])[: cluster.dim or 1]):
            name = (cluster.name or "").replace("%s", each)
            member: Block[Any] = block((cluster.address_offset or 0) + i * increment, inner, name=name)
            yield Entry(path, member, bool(cluster.alternate_cluster))

    def register(self, register: "SVDRegister", scope: str) -> Iterator[Entry]:
        """Iterate over the registers one `register` is: several when it is a list and not an array."""
        path = scope + _bare(register.name)
        if not self.report.wants(path):
            return
        size = 32 if register.size is None else register.size
        if size % 8:
            self.report.refuse(path, f": its size is {size} bits, expected whole bytes")
            return
        reset = register.reset_value or 0
        self._defined(path, register.reset_mask, (1 << size) - 1)
        self._constraint(path, register.write_constraint)
        fields = list(self._fields(path, register))
        rest = self._rest(path, register, (1 << size) - 1, fields)
        alternate = bool(register.alternate_register or register.alternate_group)
        for shape in _shapes(register, size // 8):
            yield evolve(declare(shape, path, reset, rest, fields, self.report), alternate=alternate)

    def _defined(self, path: str, mask: int | None, full: int) -> None:
        if mask is not None and full & ~mask:
            text = f"bits {full & ~mask:#x} are undefined after reset, and here they are as <resetValue> has them"
            self.report.note(path, "resetMask", text)

    def _constraint(self, path: str, constraint: Any) -> None:
        if constraint is not None:
            self.report.note(path, "writeConstraint", "not checked; a written handler can")

    def _rest(self, path: str, register: "SVDRegister", mask: int, fields: Iterable[Field]) -> Bits:
        """Return what happens to bits of no field. The register's effects may be for fields only."""
        access, on_read, on_write = self._words(path, register, None)
        reads = any("r" in (field.access or "") for field in fields)
        writes = any("w" in (field.access or "") for field in fields)
        on_read = None if reads and "r" not in access else on_read
        on_write = None if writes and "w" not in access else on_write
        return behaviour(path, mask, access, on_read, on_write, self.report)

    def _words(self, path: str, own: Any, outer: Any) -> tuple[str, str | None, str | None]:
        """Return access, effect of reading, effect of writing: its own, else the effects of the outer one."""
        access = ACCESS[own.access.value] if own.access else "rw"
        words: list[str | None] = []
        for attribute, table, needed in (("read_action", ON_READ, "r"), ("modified_write_values", ON_WRITE, "w")):
            given = getattr(own, attribute)
            if given is None and outer is not None and needed in access:
                given = getattr(outer, attribute)
            word = None if given is None else table.get(given.value)
            if given is not None and word is None and (attribute, given.value) != ("modified_write_values", PLAIN):
                self.report.note(path, f"readAction {given.value}", "reading changes nothing; a reads handler can")
            words.append(word)
        return access, words[0], words[1]

    def _fields(self, path: str, register: "SVDRegister") -> Iterator[Field]:
        for each in register.fields:
            for field in getattr(each, "fields", [each]):
                if (field.name or "").lower() == "reserved":
                    continue  # of which files have several in a register: they name nothing
                if field.bit_offset is None or field.bit_width is None or field.bit_width < 1:
                    where = f"{path}.{field.name}"
                    if self.report.wants(where):
                        self.report.refuse(
                            where, ": expected <bitRange>, <lsb> and <msb>, or <bitOffset> and <bitWidth>"
                        )
                    continue
                yield self._field(f"{path}.{field.name}", field, register)

    def _field(self, path: str, field: "SvdField", register: "SVDRegister") -> Field:
        assert field.bit_offset is not None
        assert field.bit_width is not None
        msb, lsb = field.bit_offset + field.bit_width - 1, field.bit_offset
        bits = behaviour(path, 0, *self._words(path, field, register), self.report)
        self._constraint(path, field.write_constraint)
        return Field(
            field.name or "",
            msb,
            lsb,
            self._enum(path, field, field.bit_width),
            access=bits.access,  # type: ignore[arg-type]  # words of the tables above
            on_read=bits.on_read,  # type: ignore[arg-type]
            on_write=bits.on_write,  # type: ignore[arg-type]
        )

    def _enum(self, path: str, field: "SvdField", width: int) -> dict[int, str]:
        """Return names of values; where reading and writing have names of their own, the read ones come first."""
        order = {"read-write": 0, "read": 1, "write": 2}
        tables = sorted(
            field.enumerated_values or (), key=lambda table: order[table.usage.value if table.usage else "read-write"]
        )
        names: dict[int, str] = {}
        for table in tables:
            for each in table.enumerated_values:
                name = each.name or each.description or ""
                if each.value is None:
                    self.report.note(
                        path, f"enumeratedValue {name}", "not for a single value; other values are printed as numbers"
                    )
                elif each.value >= 1 << width:
                    self.report.note(path, f"enumeratedValue {name}", f"{each.value} does not fit in {width} bits")
                elif names.setdefault(each.value, name) != name:
                    text = f"value {each.value} is printed as {names[each.value]}"
                    self.report.note(path, f"enumeratedValue {name}", text)
        return names


def _bare(name: str | None) -> str:
    """A name without the place for an array's labels."""
    return re.sub(r"\[%s\]|%s", "", name or "")


def _shapes(register: "SVDRegister", width: int) -> Sequence[Shape]:
    """Return the places of a register: one, an array when its name says so, else one for each element."""
    name, offset, doc = register.name or "", register.address_offset or 0, register.description or ""
    increment = register.dim_increment or 0
    if register.dim is None:
        return [Shape(name, offset, width, doc=doc)]
    marks = list(map(str, (register.dim_index or [])[: register.dim]))
    if name.endswith("[%s]") and marks == [str(i) for i in range(register.dim)]:
        return [Shape(_bare(name), offset, width, register.dim, increment, doc)]
    return [Shape(name.replace("%s", mark), offset + i * increment, width, doc=doc) for i, mark in enumerate(marks)]
