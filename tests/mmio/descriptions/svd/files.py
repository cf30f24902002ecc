"""Small SVD files, written around the part a test is about."""

import warnings
from pathlib import Path
from typing import Any

from mmio import DescriptionWarning, from_svd

FRAME = """<device>
<name>CHIP</name><version>1</version><description>A chip</description>
<addressUnitBits>8</addressUnitBits><width>32</width><size>32</size>
<peripherals>
{peripherals}
</peripherals>
</device>
"""


def write(folder: Path, peripherals: str) -> Path:
    """Write a file with these peripherals."""
    path = folder / "chip.svd"
    path.write_text(FRAME.format(peripherals=peripherals))
    return path


def peripheral(inside: str, name: str = "P") -> str:
    """Return a peripheral with these registers."""
    return f"<peripheral><name>{name}</name><baseAddress>0</baseAddress><registers>{inside}</registers></peripheral>"


def register(name: str, offset: int = 0, more: str = "") -> str:
    """Return a register."""
    return f"<register><name>{name}</name><addressOffset>{offset}</addressOffset>{more}</register>"


def field(name: str, bits: str, more: str = "") -> str:
    """Return a field."""
    return f"<field><name>{name}</name><bitRange>[{bits}]</bitRange>{more}</field>"


def make(folder: Path, inside: str, **options: Any) -> Any:
    """Make a class of a peripheral with these registers, quietly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DescriptionWarning)
        return from_svd(write(folder, peripheral(inside)), "P", **options)


def notes(device: Any) -> list[str]:
    """Return the notes of a class as text."""
    return [str(note) for note in device.notes]
