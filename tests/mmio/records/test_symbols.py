"""Names for instruction pointers."""

import ctypes
import os
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path
from shutil import which
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio import Symbols
from mmio.records.elf import ElfFile
from mmio.records.symbols import Location, SymbolsWarning, _Module
from tests.mmio.records.modules import FORMS, build
from tests.needs import need

SOURCE = """\
#include <stdint.h>
static __attribute__((noinline)) uint32_t inner(volatile uint32_t *p)
{
    return p[1];
}
__attribute__((aligned(256))) uint32_t driver_read(volatile uint32_t *p)
{
    p[0] = 7;
    return inner(p) + 1;
}
void *inner_address(void) { return inner; }
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A driver with debug information, whose own addresses are not its offsets in the file."""
    compiler = which("cc") or which("gcc")
    need(compiler, "a C compiler (apt-get install gcc)")
    folder = tmp_path_factory.mktemp("driver")
    source, library = folder / "driver.c", folder / "libdriver.so"
    source.write_text(SOURCE)
    subprocess.run(
        [str(compiler), "-g", "-O0", "-shared", "-fPIC", "-Wl,-Ttext-segment=0x10000", "-o", library, source],
        check=True,
    )
    return library


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A module in every form."""
    folder = tmp_path_factory.mktemp("modules")
    return {name: build(folder, *flags).read_bytes() for name, flags in FORMS.items()}


def addresses(driver: Path) -> tuple[int, int]:
    """Load the driver here and return the addresses of `driver_read` and of its static `inner`."""
    library = ctypes.CDLL(str(driver))
    library.inner_address.restype = ctypes.c_void_p
    outer = ctypes.cast(library.driver_read, ctypes.c_void_p).value
    assert outer is not None
    return outer, library.inner_address()


def test_function_module_and_line(driver: Path) -> None:
    """An address in a module with debug information has function, offset, module and source line."""
    symbols = Symbols()
    outer, inner = addresses(driver)
    assert symbols(outer) == "driver_read+0x0 (libdriver.so) driver.c:7"
    assert symbols(inner) == "inner+0x0 (libdriver.so) driver.c:3"
    assert symbols(inner + 1).startswith("inner+0x1 (libdriver.so) driver.c:")


def test_address_between_functions(driver: Path) -> None:
    """What fills the space before an aligned function belongs to no function."""
    location = Symbols().locate(addresses(driver)[0] - 1)
    assert location is not None
    assert (location.module, location.symbol) == ("libdriver.so", "")


def test_library_loaded_later(driver: Path) -> None:
    """A library that is loaded after the symbols were asked for is found all the same."""
    symbols = Symbols()
    symbols(addresses(driver)[0] ^ 1 << 45)
    assert "driver_read" in symbols(addresses(driver)[0])


def test_addresses_of_another_process_resolve_in_its_map(driver: Path) -> None:
    """The addresses of another process are resolved in its own map, and still when it is gone."""
    script = (
        "import ctypes, sys; library = ctypes.CDLL(sys.argv[1]);"
        "print(ctypes.cast(library.driver_read, ctypes.c_void_p).value, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, driver], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        address = int(child.stdout.readline())
        symbols = Symbols(child.pid)
        child.kill()
    assert symbols(address) == "driver_read+0x0 (libdriver.so) driver.c:7"
    symbols.refresh()
    assert symbols(address + 1).startswith("driver_read+0x1 (libdriver.so)")


def test_a_function_is_found_by_its_name(driver: Path) -> None:
    """Static ones, too, of a library that was loaded since; None where there is none, or no such process."""
    symbols = Symbols()
    outer, inner = addresses(driver)
    assert (symbols.address_of("driver_read"), symbols.address_of("inner")) == (outer, inner)
    assert symbols.address_of("no_function_of_this_name") is None
    assert Symbols(1 << 22).address_of("inner") is None


def test_a_stripped_module_has_exported_functions_only(driver: Path, tmp_path: Path) -> None:
    """A stripped module has its exported functions and no lines."""
    strip = which("strip")
    need(strip, "strip (apt-get install binutils)")
    stripped = tmp_path / "libstripped.so"
    subprocess.run([str(strip), "-o", stripped, driver], check=True)
    outer, inner = addresses(stripped)
    assert Symbols()(outer) == "driver_read+0x0 (libstripped.so)"
    assert "inner" not in Symbols()(inner)


def test_address_of_no_file() -> None:
    """An address outside of every file is its own name."""
    symbols = Symbols()
    assert symbols(5) == "0x5"
    assert symbols.locate(5) is None


def test_process_that_never_was() -> None:
    """For a process that does not exist every address is its own name."""
    process = subprocess.Popen(["true"])
    process.wait()
    assert Symbols(process.pid)(0x401000) == "0x401000"


def test_named_memory_is_no_file() -> None:
    """Memory the kernel has a name for, such as the stack, is that name and an offset."""
    with open("/proc/self/maps") as maps:
        start = next(int(line.split("-")[0], 16) for line in maps if line.endswith("[stack]\n"))
    assert Symbols()(start + 16) == "[stack]+0x10"


def test_file_that_is_no_program(tmp_path: Path) -> None:
    """A mapped file without symbols is its name and the offset in the file."""
    import mmap

    path = tmp_path / "bar0"
    path.write_bytes(bytes(0x3000))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0x1000, offset=0x1000) as memory:
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        assert Symbols()(address + 4) == "bar0+0x1004"


def test_location_in_words() -> None:
    """A location prints what is known of it."""
    assert str(Location("lib.so", 0x10)) == "lib.so+0x10"
    assert str(Location("lib.so", 0x10, "f", 4)) == "f+0x4 (lib.so)"
    assert str(Location("lib.so", 0x10, "f", 4, "f.c:3")) == "f+0x4 (lib.so) f.c:3"


def test_an_unreadable_map_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose map may not be read is an error of its own, not a nameless trace."""

    def refused(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", "/proc/1/maps")

    monkeypatch.setattr("os.open", refused)
    with pytest.raises(PermissionError):
        Symbols(os.getpid())


def test_a_damaged_byte_costs_the_lines_only(tmp_path: Path) -> None:
    """The function keeps its name, and there is one warning for the file."""
    module = build(tmp_path, *FORMS["dwarf-5"])
    content = bytearray(module.read_bytes())
    section = ElfFile(str(module))._section(".debug_line")
    assert section is not None
    content[section.offset + 4] ^= 0xFF  # the version
    module.write_bytes(content)
    library = ctypes.CDLL(str(module))
    outer = ctypes.cast(library.driver_read, ctypes.c_void_p).value
    assert outer is not None
    symbols = Symbols()
    with pytest.warns(
        SymbolsWarning, match=f"^{module}: damaged, so its instructions have no source lines: "
    ) as caught:
        names = symbols(outer), symbols(outer + 1)
    assert names == ("driver_read+0x0 (module.so)", "driver_read+0x1 (module.so)")
    assert len(caught) == 1


def test_warnings_that_are_errors_do_not_end_a_trace(tmp_path: Path) -> None:
    """python -W error would have the first name of a damaged file raise in the middle of an access."""
    path = tmp_path / "damaged"
    path.write_bytes(b"\x7fELF\x02\x01")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _Module.read(str(path)).symbol(5) == ("", 0)
    with pytest.warns(SymbolsWarning, match="damaged, so its instructions have no names: it ends in its header"):
        _Module.read(str(path))


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    """A pipe would keep the reader waiting; a text has no names and is not damaged."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("#!/bin/sh\n")
    for name in ("pipe", "text", "missing", ".", "a\0b"):
        assert _Module.read(f"{tmp_path}/{name}") == _Module()


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_file_is_in_the_way_of_a_name(modules: dict[str, bytes], data: st.DataObject) -> None:
    """Every form of module, with bytes overwritten or cut off: there is a name or none, and at most one warning."""
    content = bytearray(modules[data.draw(st.sampled_from(sorted(modules)))])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, 0x40) | st.integers(0, len(content) - 1))
        new = data.draw(st.binary(min_size=1, max_size=8) | st.just(b"\xff" * 8))
        content[start : start + len(new)] = new
    content = content[: data.draw(st.just(len(content)) | st.integers(4, len(content)))]
    with NamedTemporaryFile() as file, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        file.write(content)
        file.flush()
        tracemalloc.start()
        module = _Module.read(file.name)
        for offset in (0, 0x1000, 0x1100, 1 << 63, (1 << 64) - 1):
            address = module.address(offset)
            module.symbol(address)
            module.line(address)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 64 << 20
    assert [each.category for each in caught] in ([], [SymbolsWarning])
