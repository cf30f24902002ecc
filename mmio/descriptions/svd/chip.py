"""Devices of a CMSIS-SVD file: one peripheral, or all of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from typing import Any, TypeVar

from mmio.descriptions.chip import Cpu, Place
from mmio.descriptions.report import Note, Report, did_you_mean
from mmio.descriptions.svd.document import read_document
from mmio.descriptions.svd.memory_map import cpu, places
from mmio.descriptions.svd.reader import PeripheralReader

_Read = TypeVar("_Read")


def from_svd(
    path: str | PathLike[str], peripheral: str, *, without: Iterable[str] = (), strict: bool = False
) -> type[Any]:
    """Make a Device class from a peripheral of a CMSIS-SVD file.

        Uart = from_svd("chip.svd", "UART1")

    A class, so that a model can be made of it: subclass it and hang handlers on its registers, or call it as it is.
    Registers, clusters and fields are called as the file has them.

    Args:
        path: the file.
        peripheral: the name of the peripheral in the file.
        without: registers, clusters and fields to leave out, as in `["DR", "DMA.CTRL", "CR.EN"]`.
        strict: what is wrong in the file is an error; otherwise it costs the element that it is about, and a note.

    Warns:
        DescriptionWarning: the class is not all that the file says; `notes` of the class lists what it is not.

    Raises:
        ImportError: lxml is missing.
        DescriptionError: the file cannot be read, it has no such peripheral, or a limit is exceeded; with `strict`,
            whatever is wrong in it.
    """
    chip = SvdFile(path, strict=strict)
    report = Report(path, without, peripheral, strict)
    device = chip._make(peripheral, report)
    report.warn()
    return device


class SvdFile(Mapping[str, type[Any]]):
    """The peripherals of a CMSIS-SVD file by name, each made into a Device class when it is first asked for.

        chip = SvdFile("chip.svd")
        uart = chip["UART1"]()
        for note in chip.notes:
            print(note)

    The file is parsed once.

    Args:
        path: the file.
        strict: as of `from_svd`.
        warn: whether to warn of notes; they are in `notes` in any case.

    Attributes:
        path: the file.
        notes: what the file itself, and the classes made so far, are not of all that the file says.

    Warns:
        DescriptionWarning: once a file, with the first class that is not all the file says.

    Raises:
        ImportError: lxml is missing.
        DescriptionError: the file cannot be read or is no SVD; with `strict`, whatever is wrong in it.
    """

    def __init__(self, path: str | PathLike[str], *, strict: bool = False, warn: bool = True) -> None:
        self.path = path
        self._strict = strict
        self._document = read_document(path)
        report = Report(path, strict=strict)
        self._places = self._document.peripherals(report)
        report.check()
        self.notes: list[Note] = report.notes
        self._classes: dict[str, type[Any]] = {}
        self._warned = not warn

    def __getitem__(self, name: str) -> type[Any]:
        """Return the class of a peripheral. Raises KeyError when there is none of the name."""
        device = self._classes.get(name)
        if device is None:
            if name not in self._places:
                raise KeyError(f"{self.path}: there is no peripheral {name!r}{did_you_mean(str(name), self._places)}")
            report = Report(self.path, device=name, strict=self._strict)
            device = self._classes[name] = self._make(name, report)
            self.notes += report.notes
            if report.notes and not self._warned:
                self._warned = True
                report.warn()
        return device

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the peripherals, in the file's order."""
        return iter(self._places)

    def __len__(self) -> int:
        """Return the number of peripherals."""
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a peripheral of this name, without making it."""
        return name in self._places

    def memory_map(self) -> list[Place]:
        """Return where the peripherals lie, in order of addresses."""
        return self._read(lambda report: places(self._document, self._places, report))

    def cpu(self) -> Cpu:
        """Return what the file says of the core."""
        return self._read(lambda report: cpu(self._document, report))

    def _read(self, reader: Callable[[Report], _Read]) -> _Read:
        report = Report(self.path, strict=self._strict)
        found = reader(report)
        report.check()
        self.notes += report.notes
        return found

    def _make(self, name: str, report: Report) -> type[Any]:
        if name not in self._places:
            report.fail(f"there is no peripheral {name!r}{did_you_mean(name, self._places)}")
        element, base = self._places[name]
        device = PeripheralReader(self._document, report).device(element, name, base)
        report.check()
        if not device.layout.places:
            report.slip("", element.sourceline, "peripheral", "has no registers", "every access is to nothing")
            report.check()
        device.notes = tuple(report.notes)
        return device
