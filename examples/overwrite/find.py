"""A meter's limit is 230, and still 100 is an alarm. Something overwrites the limit: what?

    python find.py

The library is ordinary C that is unchanged. While its one field is watched, the page the field lies in is
absent: every access there is done by the emulator. Those to the field are hits, with function, line and instruction.
"""

import ctypes
import os
import subprocess
import tempfile
from pathlib import Path

import mmio

SOURCE = Path(__file__).with_name("meter.c")


def build(directory: Path) -> ctypes.CDLL:
    """Compile the library and load it."""
    path = directory / "meter.so"
    flags = ["-O2", "-g", "-Wall", "-Wextra", "-shared", "-fPIC"]
    subprocess.run([os.environ.get("CC", "cc"), *flags, "-o", path, SOURCE], check=True)
    library = ctypes.CDLL(str(path))
    library.meter_get.restype = ctypes.c_void_p
    library.meter_limit.argtypes = library.meter_read.argtypes = [ctypes.c_void_p]
    library.meter_limit.restype = ctypes.POINTER(ctypes.c_uint32)
    library.meter_configure.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.meter_rename.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.meter_read.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    return library


def use(library: ctypes.CDLL, meter: int) -> bool:
    """Use a meter as a program would; return whether a harmless reading is an alarm."""
    library.meter_configure(meter, 230)
    library.meter_rename(meter, b"mains")
    library.meter_rename(meter, b"main building, first floor")
    return bool(library.meter_read(meter, 100))


def find(library: ctypes.CDLL) -> mmio.Watch:
    """Return what has changed the limit while the meter was used."""
    meter = library.meter_get(1)
    limit = library.meter_limit(meter).contents
    with mmio.watch(limit, on="change", name="limit") as hits:
        use(library, meter)
    return hits


def main() -> None:
    """Show the alarm, and who is to blame."""
    with tempfile.TemporaryDirectory() as directory:
        library = build(Path(directory))
        meter = library.meter_get(0)
        print(f"alarm at 100: {use(library, meter)}; the limit is {library.meter_limit(meter).contents.value}, not 230")
        print(find(library))


if __name__ == "__main__":
    main()
