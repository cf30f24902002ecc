"""`pagetrap coverage`: of a device by a trace; without a trace, the table of emulated forms."""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from mmio.commands import devices
from mmio.commands.arguments import TRACE_FILE, add_skip, path
from mmio.commands.messages import complain
from mmio.commands.parser import Commands, Example, UsageError, declare

if TYPE_CHECKING:
    from mmio.coverage.device import DeviceCoverage
    from mmio.records.events import Record

_EXAMPLES: Final = (
    Example("which registers of a device a trace touches", "pagetrap coverage run.jsonl --device card.py:Card"),
    Example(
        "for a CI server, from two traces",
        "pagetrap coverage a.jsonl b.jsonl --device card.py:Card@nic0 --report cobertura:coverage.xml --fail-under 80",
    ),
    Example("every peripheral of a chip", "pagetrap coverage run.jsonl --svd chip.svd --report html:coverage.html"),
    Example("how much of each CPU feature is emulated", "pagetrap coverage"),
    Example("what is not emulated, and why", "pagetrap coverage --missing --by mnemonic"),
    Example("which function does a form", "pagetrap coverage --by form"),
)


def add(commands: Commands) -> None:
    """Declare the subcommand."""
    command = declare(
        commands,
        "coverage",
        _coverage,
        "With a TRACE: show which registers, fields, values and transitions of a device its accesses cover. Without "
        "one: list every instruction form that accesses memory or a port by its support: emulated, native (executed "
        "natively when a real program is traced), refused, or unread (an encoding of obsolete CPUs).",
        _EXAMPLES,
        (
            "Exit status: 0, 1 when a file cannot be used or less is covered than --fail-under, 2 when the command "
            "line is wrong.",
        ),
    )
    command.add_argument("traces", metavar="TRACE", nargs="*", type=path, help=TRACE_FILE)
    device = command.add_argument_group("of a device", "Several devices are reported one after the other.")
    devices.add(
        device,
        "the device, and the name of its region in the traces",
        "every peripheral of a CMSIS-SVD file in the traces",
    )
    device.add_argument(
        "--report",
        metavar="REPORT",
        action="append",
        default=[],
        type=_report,
        help="term (the default), html:PATH, json:PATH, cobertura:PATH or lcov:PATH; several may be given",
    )
    device.add_argument(
        "--omit",
        metavar="REGISTER",
        action="append",
        default=[],
        help="leave registers out of the percentages: BUFFER, 'dma.*'",
    )
    device.add_argument(
        "--merge-arrays", action="store_true", help="count each array of registers, and equal blocks, as one"
    )
    device.add_argument("--fail-under", metavar="PERCENT", type=_percent, help="fail when less is covered")
    add_skip(command)
    forms = command.add_argument_group("of instruction forms", "Without a TRACE.")
    forms.add_argument(
        "--by", choices=("feature", "mnemonic", "form"), help="what a line stands for; feature if left out"
    )
    forms.add_argument("--missing", action="store_true", help="only what is not emulated, with the reasons")
    forms.add_argument("--markdown", action="store_true", help="the whole table as docs/coverage.md has it")


def _report(text: str) -> tuple[str, str | None]:
    from mmio.coverage.reports import parse

    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _percent(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise argparse.ArgumentTypeError(f"expected a percentage, 0..100, got {text!r}")
    return number


def _coverage(options: argparse.Namespace) -> int:
    of_device = options.device or options.svd
    if options.traces:
        if options.by or options.missing or options.markdown:
            raise UsageError("--by, --missing and --markdown are about instruction forms: leave the TRACE out")
        if not of_device:
            raise UsageError("coverage of which device? Say --device FILE.py:CLASS or --svd FILE")
        return _of_devices(options)
    given = options.report or options.omit or options.merge_arrays or options.fail_under is not None
    if of_device or given or options.skip:
        raise UsageError("the coverage of a device is that of a TRACE: give the path of one")
    from mmio.coverage_table import page, table  # here, for it loads the emulator

    by: Any = options.by or "feature"
    if options.markdown and (options.missing or by != "feature"):
        raise UsageError("--markdown is the whole table: leave --missing and --by out")
    print(page() if options.markdown else "\n".join(table(by, options.missing)))
    return 0


def _of_devices(options: argparse.Namespace) -> int:
    from mmio.coverage.device import combined
    from mmio.coverage.reports import save

    found = combined(list(_counted(options)))
    for pattern in options.omit:
        with_it = [each for each in found if any(register.is_called(pattern) for register in each.registers)]
        if not with_it:
            raise ValueError(f"no device has a register {pattern!r} to omit")
        for coverage in with_it:
            coverage.omit(pattern)
    if options.merge_arrays:
        found = [coverage.merged() for coverage in found]
    for form, file in options.report or [("term", None)]:
        if file is None:
            print("\n\n".join(map(str, found)))
        else:
            save(found, file, form)
            complain(f"written to {file}")
    if options.fail_under is None:
        return 0
    low = [coverage for coverage in found if coverage.percent < options.fail_under]
    for coverage in low:
        complain(f"{coverage.name}: {coverage.total} of its points are covered, less than {options.fail_under:g} %")
    return 1 if low else 0


def _counted(options: argparse.Namespace) -> "Iterator[DeviceCoverage]":
    """Iterate over the devices, each with what the traces cover of it."""
    from mmio.commands.models import load_class
    from mmio.coverage.device import DeviceCoverage
    from mmio.coverage.reading import TraceReader
    from mmio.records.access import Access

    given = [(DeviceCoverage(load_class(file, name)), region) for file, name, region in options.device]
    chip = None
    peripherals: dict[str, DeviceCoverage] = {}
    if options.svd is not None:
        from mmio.descriptions import SvdFile

        chip = SvdFile(options.svd, warn=False)
    for file in options.traces:
        readers = [TraceReader(coverage, region) for coverage, region in given]
        of_chip: dict[str, TraceReader] = {}
        for record in _records(file, options.skip):
            for reader in readers:
                reader.take(record)
            name = record.region if isinstance(record, Access) else getattr(record, "name", None)
            if chip is None or name is None or name not in chip:
                continue
            if name not in of_chip:
                if not isinstance(record, Access):
                    continue
                if name not in peripherals:
                    peripherals[name] = DeviceCoverage(chip[name], name)
                of_chip[name] = TraceReader(peripherals[name], name)
            of_chip[name].take(record)
        try:
            for reader in [*readers, *of_chip.values()]:
                reader.finish()
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
        if chip is not None and not of_chip:
            raise ValueError(f"{file}: the trace has no access to a peripheral of {options.svd}")
    yield from (coverage for coverage, _ in given)
    yield from peripherals.values()


def _records(file: str, skip: bool) -> "Iterator[Record]":
    from mmio.commands import progress
    from mmio.commands.chosen import opened
    from mmio.records.events import Cut

    for record in progress.shown(opened(file, skip=skip), sys.stderr):
        if isinstance(record, Cut):
            complain(f"{file}: {record}")
        yield record
