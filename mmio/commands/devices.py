"""The options that name device classes, `--device` and `--svd`: for what is told of the registers in a trace."""

import argparse
from collections.abc import Set
from typing import TYPE_CHECKING

from mmio.commands.arguments import path

if TYPE_CHECKING:
    from mmio.reports.naming import ReportDevice


def add(group: "argparse._ArgumentGroup", purpose: str, peripherals: str) -> None:
    """Declare the options.

    Args:
        group: where they are listed.
        purpose: what a device is given for, with the words for its region before the colon.
        peripherals: what an SVD file is given for.
    """
    group.add_argument(
        "--device",
        metavar="FILE.py:CLASS[@REGION]",
        action="append",
        default=[],
        type=_device,
        help=f"{purpose}: the class's, or that of the only one, if left out",
    )
    group.add_argument("--svd", metavar="FILE", type=path, help=peripherals)


def loaded(options: argparse.Namespace, regions: Set[str]) -> "list[ReportDevice]":
    """Return the classes of the options, those of an SVD file for the regions that are named as its peripherals are.

    Args:
        options: of the command line.
        regions: the names of the regions that the trace has accesses to.

    Raises:
        ModelError: there is no such file or class.
        ValueError: no region is named as a peripheral is.
    """
    from mmio.commands.models import load_class
    from mmio.reports.naming import ReportDevice

    found = [ReportDevice(load_class(file, name), region) for file, name, region in options.device]
    if options.svd is not None:
        from mmio.descriptions import SvdFile

        chip = SvdFile(options.svd, warn=False)
        named = [ReportDevice(chip[region], region) for region in sorted(regions) if region in chip]
        if not named:
            raise ValueError(f"the trace has no access to a peripheral of {options.svd}")
        found += named
    return found


def _device(text: str) -> tuple[str, str, str | None]:
    """Return file, class and region."""
    model, at, region = text.partition("@")
    file, _, name = model.rpartition(":")
    if not (file and name) or (at and not region):
        raise argparse.ArgumentTypeError(f"expected FILE.py:CLASS or FILE.py:CLASS@REGION, got {text!r}")
    return file, name, region or None
