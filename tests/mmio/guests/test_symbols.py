"""Names of the guest's instructions."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from mmio.guests.symbols import GuestSymbols, kept
from tests.needs import need

KALLSYMS = b"""\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000040 t early_setup
ffffffff81000040 T alias_of_setup
ffffffff81000080 T _etext
ffffffff82000000 D data
ffffffffc0001000 t of_a_module\t[e1000]
"""


def test_functions_of_the_kernel() -> None:
    """The function before an address has it; there is none before the first, after the last, or in modules unknown."""
    symbols = GuestSymbols()
    symbols.add_kernel(KALLSYMS)
    assert symbols(0xFFFFFFFF81000010) == "_stext+0x10 (vmlinux)"
    assert symbols(0xFFFFFFFF81000044).endswith("_setup+0x4 (vmlinux)")
    assert symbols(0xFFFFFFFF80FFFFFF) == "0xffffffff80ffffff"
    assert symbols(0xFFFFFFFF81000080) == "0xffffffff81000080"
    assert symbols.locate(0xFFFFFFFFC0001004) is None
    assert symbols.locate(0) is None


def test_functions_of_a_module(tmp_path: Path) -> None:
    """A module's functions are where the guest has put its sections, static ones too."""
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    source = tmp_path / "driver.c"
    source.write_text(
        "__attribute__((noinline)) static int shift(volatile int *p) { return *p << 1; }\n"
        "int probe(volatile int *p) { return shift(p) + 1; }\n"
        '__attribute__((section(".init.text"))) int start(void) { return 0; }\n'
    )
    subprocess.run(["cc", "-O1", "-fno-ipa-cp", "-c", source.name, "-o", "driver.ko"], cwd=tmp_path, check=True)
    symbols = GuestSymbols()
    symbols.add_module("driver", (tmp_path / "driver.ko").read_bytes(), {".text": 0xC0000000, ".init.text": 0xC0008000})
    assert symbols(0xC0000001) == "shift+0x1 (driver)"
    assert symbols(0xC0008000) == "start+0x0 (driver)"
    assert symbols.locate(0xC0007000) is None
    location = symbols.locate(0xC0000001)
    assert location is not None
    assert (location.module, location.offset) == ("driver", 1)


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\2\1" + bytes(200), b"MZ" * 100])
def test_a_module_that_is_none(data: bytes) -> None:
    """A damaged file costs names, and nothing else."""
    symbols = GuestSymbols()
    symbols.add_module("driver", data, {".text": 0x1000})
    assert symbols.locate(0x1000) is None


def test_kept(tmp_path: Path) -> None:
    """Symbols that cannot be read again are asked for again."""
    path = tmp_path / "symbols.gz"
    assert kept(path) == b""
    path.write_bytes(gzip.compress(KALLSYMS)[:-9])
    assert kept(path) == b""
    path.write_bytes(b"no gzip")
    assert kept(path) == b""
    path.write_bytes(gzip.compress(KALLSYMS))
    assert kept(path) == KALLSYMS
