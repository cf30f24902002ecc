"""A chip described by a SystemRDL address map: its blocks are peripherals at their addresses."""

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from mmio.descriptions.assembly import assemble
from mmio.descriptions.chip import Place
from mmio.descriptions.rdl.device import Reader, compiled
from mmio.descriptions.report import Note, Report, did_you_mean

if TYPE_CHECKING:
    from systemrdl.node import AddressableNode


class RdlFile(Mapping[str, type[Any]]):
    """The peripherals of a SystemRDL address map by name, each made into a Device class when it is first asked for.

        soc = RdlFile("soc.rdl", include=["blocks"])
        with mmio.board(soc) as board:
            board.uart.CTRL.EN

    A peripheral is what has registers: a regfile, a memory, an address map with registers of its own, and each register
    that stands in a map of peripherals. An address map that has only others inside, a bus, is searched; where two
    peripherals have one name, that of the bus stands before it: "apb.uart". Of an array each element is one: "uart[0]".

    Args:
        path: the file.
        top: the address map; the last one when left out.
        parameters, defines, include, perl: as of `from_rdl`.

    Attributes:
        path: the file.
        notes: what the classes made so far do not implement of the file.

    Raises:
        ImportError: systemrdl-compiler is missing.
        DescriptionError: the file does not compile.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        top: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        defines: Mapping[str, str] | None = None,
        include: Iterable[str | PathLike[str]] = (),
        perl: bool = False,
    ) -> None:
        self.path = path
        report = Report(path)
        folders = [fspath(each) for each in include]
        node: Any = compiled(report, top, dict(parameters or {}), dict(defines or {}), folders, perl)
        self.notes: list[Note] = report.notes
        self._nodes = _named(list(_peripherals(node, "")))
        self._classes: dict[str, type[Any]] = {}

    def __getitem__(self, name: str) -> type[Any]:
        """Return the class of a peripheral. Raises KeyError when there is none of the name."""
        if name not in self._nodes:
            raise KeyError(f"{self.path}: there is no peripheral {name!r}{did_you_mean(str(name), self._nodes)}")
        if name not in self._classes:
            self._classes[name] = self._make(name)
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the peripherals, in the file's order."""
        return iter(self._nodes)

    def __len__(self) -> int:
        """Return the number of peripherals."""
        return len(self._nodes)

    def memory_map(self) -> list[Place]:
        """Return where the peripherals lie, in order of addresses."""
        found = [Place(name, node.absolute_address, node.size, ()) for name, node in self._nodes.items()]
        return sorted(found, key=lambda place: place.base)

    def cpu(self) -> None:
        """Return None: SystemRDL says nothing of a core."""

    def _make(self, name: str) -> type[Any]:
        node: Any = self._nodes[name]
        report = Report(self.path, device=name)
        reader = Reader(report)
        if node.component_type_name in ("reg", "mem"):
            device: type[Any] = assemble(node.inst_name, list(reader.alone(node)), report)
        else:
            device = reader.device(node)
        report.check()
        device.source = fspath(self.path)
        device.notes = tuple(report.notes)
        self.notes += report.notes
        return device


def _peripherals(node: Any, path: str) -> Iterator[tuple[str, "AddressableNode"]]:
    """Yield what in an address map is a peripheral, with its path."""
    for child in node.children(unroll=True):
        kind = child.component_type_name
        if kind == "signal":
            continue
        index = "".join(f"[{i}]" for i in child.current_idx or ())
        name = f"{path}{child.inst_name}{index}"
        if kind == "addrmap" and not any(each.component_type_name in ("reg", "mem") for each in child.children()):
            yield from _peripherals(child, f"{name}.")
        else:
            yield name, child


def _named(found: list[tuple[str, "AddressableNode"]]) -> dict[str, "AddressableNode"]:
    """Return peripherals by the last part of their paths, or as much of it as tells them apart."""
    last = [path.rpartition(".")[2] for path, _ in found]
    return {path if last.count(name) > 1 else name: node for name, (path, node) in zip(last, found, strict=True)}
