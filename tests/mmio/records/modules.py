"""Small modules with symbols and line numbers, in each form that compilers write them."""

import subprocess
from pathlib import Path
from shutil import which

from tests.needs import need

SOURCE = """\
static __attribute__((noinline)) unsigned inner(volatile unsigned *p)
{
    return p[1];
}
__attribute__((aligned(256))) unsigned driver_read(volatile unsigned *p)
{
    p[0] = 7;
    return inner(p) + 1;
}
void *inner_address(void) { return inner; }
void _start(void) { driver_read((volatile unsigned *)inner_address()); }
"""

SHARED = ("-shared", "-fPIC")
FORMS: dict[str, tuple[str, ...]] = {
    "dwarf-2": (*SHARED, "-gdwarf-2"),
    "dwarf-4": (*SHARED, "-gdwarf-4"),
    "dwarf-5": (*SHARED, "-gdwarf-5"),
    "dwarf-64": (*SHARED, "-gdwarf-5", "-gdwarf64"),
    "compressed": (*SHARED, "-g", "-gz=zlib"),
    "compressed-before-2015": (*SHARED, "-g", "-gz=zlib-gnu"),
    "32-bit": (*SHARED, "-m32", "-g"),
    "executable": ("-nostdlib", "-no-pie", "-g"),
    "position-independent": ("-nostdlib", "-pie", "-fPIE", "-g"),
    "stripped": (*SHARED, "-s"),
}


def build(folder: Path, *flags: str) -> Path:
    """Compile the module into a folder."""
    compiler = which("cc") or which("gcc")
    need(compiler, "a C compiler (apt-get install gcc)")
    source, module = folder / "driver.c", folder / "module.so"
    source.write_text(SOURCE)
    # One that needs no C library also links for 32 bits where there is none.
    command = [str(compiler), "-O0", "-nostdlib", *flags, "-o", str(module), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return module
