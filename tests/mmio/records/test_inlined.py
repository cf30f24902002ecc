"""Inlined calls."""

import subprocess
import sys
from collections.abc import Iterator
from os.path import basename
from pathlib import Path
from shutil import which

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio.records.elf import ElfFile
from mmio.records.inlined import MAX_INFO, Frame, Inlined
from mmio.records.symbols import Location, _Module
from tests.needs import need

HEADER = """\
static inline void set_reg32(volatile unsigned *p, unsigned value)
{
    *p = value;
}
"""
SOURCE = """\
#include "io.h"
static inline void reset(volatile unsigned *p)
{
    set_reg32(p, 1);
    while (p[1] & 1)
        ;
}
int card_init(volatile unsigned *p, int flags)
{
    reset(p);
    if (flags & 2) {
        for (int i = 0; i < flags; i++)
            set_reg32(p + 2, i);
    }
    p[3] = 5;
    return flags;
}
__attribute__((noinline)) int plain(volatile unsigned *p) { return p[4]; }
"""
COMPILERS = {"gcc": ("gcc", "cc"), "clang": ("clang",)}
FORMS = {
    "dwarf-2": ("-gdwarf-2",),
    "dwarf-4": ("-gdwarf-4",),
    "dwarf-5": ("-gdwarf-5",),
    "compressed": ("-g", "-gz=zlib"),
    "sections": ("-g", "-ffunction-sections"),
}


def built(folder: Path, compiler: str, *flags: str) -> Path:
    """Compile the module, optimised, into a folder."""
    found = next(filter(None, map(which, COMPILERS[compiler])), None)
    need(found, f"{compiler} (apt-get install {compiler})")
    (folder / "io.h").write_text(HEADER)
    (folder / "card.c").write_text(SOURCE)
    command = [str(found), "-O2", "-shared", "-fPIC", "-nostdlib", *flags, "-o", "card.so", "card.c"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "card.so"


def code(module: Path) -> Iterator[int]:
    """Iterate over the addresses of the module's functions."""
    functions = ElfFile(str(module)).functions()
    for start, size, _ in functions.places:
        yield from range(start, start + size)


def by_binutils(module: Path, addresses: list[int]) -> list[list[tuple[str, str]]]:
    """Return what addr2line says of addresses: functions and lines, the innermost first."""
    need(which("addr2line"), "addr2line (apt-get install binutils)")
    command = ["addr2line", "-a", "-f", "-i", "-e", str(module), *map(hex, addresses)]
    lines = iter(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines())
    found: list[list[tuple[str, str]]] = []
    for line in lines:
        if line.startswith("0x"):
            found.append([])
        else:
            found[-1].append((line, basename(next(lines).partition(" ")[0])))
    return found


def by_llvm(module: Path, addresses: list[int]) -> list[list[tuple[str, str]]]:
    """Return what llvm-symbolizer says of addresses, in the same form."""
    need(which("llvm-symbolizer"), "llvm-symbolizer (apt-get install llvm)")
    command = ["llvm-symbolizer", f"--obj={module}", *map(hex, addresses)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().split("\n\n")
    found = []
    for lines in (one.splitlines() for one in told):
        pairs = zip(lines[::2], lines[1::2], strict=True)
        found.append([(function, basename(place).rpartition(":")[0]) for function, place in pairs])
    return found


# binutils 2.40 does not find all calls in what clang 14 writes as DWARF 5.
ORACLES = {"gcc": by_binutils, "clang": by_llvm}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_calls_are_those_of_the_symbolizer(compiler: str, form: str, tmp_path: Path) -> None:
    """Of every address, the functions inlined there and the lines that call them are those the toolchain finds."""
    module = _Module.read(str(path := built(tmp_path, compiler, *FORMS[form])))
    inlined = Inlined(ElfFile(str(path)))
    addresses = [*code(path)]
    told = ORACLES[compiler](path, addresses)
    deep = 0
    for address, (innermost, *callers) in zip(addresses, told, strict=True):
        frames = inlined.at(address)
        if not callers:
            assert frames == ()
            continue
        deep += 1
        assert [frame.function for frame in frames] == [innermost[0], *(function for function, _ in callers)]
        assert [frame.line for frame in frames[1:]] == [line for _, line in callers]
        assert frames[0].line == ""
        line = module.line(address)
        assert module.calls(address, line).startswith(f"{innermost[0]} {line} ← ")
    assert deep > 10


def test_a_location_in_words() -> None:
    """The calls stand where the line would; the functions are those of the calls, too."""
    location = Location("card.so", 0x10, "card_init", 4, "io.h:3", "set_reg32 io.h:3 ← card_init card.c:14")
    assert str(location) == "card_init+0x4 (card.so) set_reg32 io.h:3 ← card_init card.c:14"
    assert location.functions == ("card_init", "set_reg32")
    assert Location("card.so", 0x10).functions == ()


def test_without_pyelftools_there_are_no_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a name is what it is without inlined calls."""
    path = built(tmp_path, "gcc", "-g")
    monkeypatch.setitem(sys.modules, "elftools.dwarf.dwarfinfo", None)
    assert {Inlined(ElfFile(str(path))).at(address) for address in code(path)} == {()}


def test_what_pyelftools_cannot_read_costs_the_calls(tmp_path: Path) -> None:
    """In 64-bit DWARF it takes the line table for a 32-bit one (0.33), and binutils finds no calls in it either."""
    path = built(tmp_path, "gcc", "-gdwarf-5", "-gdwarf64")
    assert {Inlined(ElfFile(str(path))).at(address) for address in code(path)} == {()}


def test_a_module_without_information(tmp_path: Path) -> None:
    """A module without debug information, and an address in none of its units, has no calls."""
    path = built(tmp_path, "gcc")
    assert Inlined(ElfFile(str(path))).at(next(code(path))) == ()
    path = built(tmp_path, "gcc", "-g")
    assert Inlined(ElfFile(str(path))).at(0) == ()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, bytes], list[int]]:
    """Return a module, its sections of debug information, and addresses of its code."""
    path = built(tmp_path_factory.mktemp("card"), "gcc", "-g")
    elf = ElfFile(str(path))
    names = (".debug_info", ".debug_abbrev", ".debug_rnglists", ".debug_line")
    sections = {name: data for name in names if (data := elf.data(name, MAX_INFO))}
    return path.read_bytes(), sections, [*code(path)]


@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_module_costs_the_calls_only(
    whole: tuple[bytes, dict[str, bytes], list[int]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Law: whatever is in the sections, there are frames or there are none, and nothing is raised."""
    content, sections, addresses = whole
    damaged = bytearray(content)
    for name, section in sections.items():
        start = content.index(section)
        for _ in range(data.draw(st.integers(0, 3), label=name)):
            damaged[start + data.draw(st.integers(0, len(section) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.so"
    path.write_bytes(damaged)
    inlined = Inlined(ElfFile(str(path)))
    for address in addresses[::5]:
        frames = inlined.at(address)
        assert all(isinstance(frame, Frame) for frame in frames)
