"""What an access of a traced program costs, all included, against the least a tracer in C can do for the same stops.

    python -m benchmarks.ptrace

The C tracer decodes nothing, performs nothing and records nothing: what it takes is the kernel's, and the floor.
pagetrap decodes, performs the access or asks a device, records, and continues. Starting the program is part of both.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import mmio
from benchmarks.inprocess import Bare
from benchmarks.measure import Timing, compare, report

_SOURCE = Path(__file__).with_name("stops.c")
_CALLS = 20_000


def measure() -> list[tuple[str, list[Timing]]]:
    """Time all alternatives in one run."""
    with tempfile.TemporaryDirectory() as directory:
        program, file = Path(directory) / "stops", Path(directory) / "device"
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", program, _SOURCE], check=True)
        file.write_bytes(bytes(4096))

        def floor(*kind: str) -> Callable[[int], None]:
            def run(calls: int) -> None:
                subprocess.run([program, "trace", kind[0], str(calls), *kind[1:]], check=True)

            return run

        def ours(device: mmio.DeviceLike | None, *kind: str) -> Callable[[int], None]:
            def run(calls: int) -> None:
                tracer = mmio.Tracer()
                if kind[0] == "port":
                    tracer.map_ports(0x80, 1, device or Bare())
                else:
                    tracer.map_file(str(file), device, length=0x1000)
                tracer.spawn([str(program), kind[0], str(calls), *kind[1:]])
                if tracer.run() or len(tracer.trace) != calls:
                    raise RuntimeError(f"expected {calls} accesses, traced {len(tracer.trace)}")

            return run

        access = ("access", str(file))
        loads = {"C, skipping": floor(*access), "a device": ours(Bare(), *access), "the file": ours(None, *access)}
        ports = {"C, skipping": floor("port"), "a device": ours(Bare(), "port")}
        return [
            ("a load of a traced program", compare(loads, calls=_CALLS, rounds=5)),
            ("a port write of a traced program", compare(ports, calls=_CALLS, rounds=5)),
        ]


if __name__ == "__main__":
    report(measure())
