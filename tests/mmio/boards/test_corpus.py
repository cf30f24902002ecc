"""Boards of vendors' files: each starts, and its registers are where the file has them, with their reset values."""

import tempfile
import warnings
from pathlib import Path
from zipfile import ZipFile

import pytest

import mmio
from tests.mmio.descriptions.svd.test_corpus import archive, files

pytestmark = pytest.mark.slow

# A few vendors', and some whose peripherals lie among each other; `python -m tests.mmio.boards.test_corpus` reads all.
CHOSEN = sorted({name for name in files() if "STM32F429" in name or "nrf52840" in name or "HC32F030" in name})
CHOSEN += [name for name in files()[::10] if name not in CHOSEN]


def read_all(path: Path) -> tuple[int, int, list[str]]:
    """Map a chip, read every register that can be read by itself.

    Returns:
        How many peripherals and registers, and what differs: registers that are not where they should be, and values
        that are not those of a fresh device. Registers that several peripherals have at one address are left out, and
        so is what a read of another has changed.
    """
    registers, wrong = 0, []
    with warnings.catch_warnings(), mmio.board(path) as board:
        warnings.simplefilter("ignore", mmio.DescriptionWarning)
        core = {id(block.device) for block in (board.core.blocks() if board.core else ())}
        seen: set[int] = set()
        for name in board.peripherals:
            device, base = board[name], board._places[name].base
            if id(device) in core:
                continue
            fresh = type(device)()
            for place in device.layout.places:
                if not place.readable or place.when or place.width > 4 or base + place.offset in seen:
                    continue
                seen.add(base + place.offset)
                registers += 1
                try:
                    value = board.space.read(base + place.offset, place.width)
                except mmio.MmioError as error:
                    wrong.append(f"{name}.{place.name}: {error}")
                    continue
                if value != fresh.read(place.offset, place.width):
                    wrong.append(f"{name}.{place.name}: {value:#x}")
        return len(board.peripherals), registers, wrong


@pytest.mark.parametrize("name", sorted(set(CHOSEN)))
def test_a_board_of_a_vendor_s_file(tmp_path: Path, name: str) -> None:
    """Every register answers at its address, also where peripherals lie among each other."""
    peripherals, registers, wrong = read_all(extracted(name, tmp_path))
    assert peripherals > 5
    assert registers > 50
    assert wrong == []


def extracted(name: str, directory: Path) -> Path:
    """Return the path of a file of the archive."""
    path = archive()
    assert path is not None
    with ZipFile(path) as svds:
        return Path(svds.extract(name, directory))


def main() -> None:
    """Read every register of every file."""
    chips = peripherals = registers = 0
    with tempfile.TemporaryDirectory() as directory:
        for name in files():
            try:
                found = read_all(extracted(name, Path(directory)))
            except mmio.MmioError as error:
                print(f"{name}: refused: {error}")
                continue
            chips, peripherals, registers = chips + 1, peripherals + found[0], registers + found[1]
            for each in found[2]:
                print(f"{name}: {each}")
    print(f"{chips} of {len(files())} chips, {peripherals:,} peripherals, {registers:,} registers")


if __name__ == "__main__":
    main()
