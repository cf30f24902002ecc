"""Before anything runs: a compiler, Python, extras, permissions."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.mistakes.mistake import Mistake

_PYTHON: Final = """\
#!/bin/sh
case "$2" in
*"%d.%d.%d"*) echo {version} ;;
*version_info*) exit {too_old} ;;
*) exit 1 ;;
esac
"""


def _python(version: str, *, too_old: bool) -> Callable[[Path], None]:
    """Return what makes a Python that has a version, and nothing else."""

    def make(workshop: Path) -> None:
        path = workshop / "bin" / f"python{version.rpartition('.')[0]}"
        path.write_text(_PYTHON.format(version=version, too_old=int(too_old)))
        path.chmod(0o755)

    return make


def _without(module: str, line: str) -> str:
    return f"import sys\nsys.modules[{module!r}] = None  # as if it were not installed\n\nimport mmio\n{line}\n"


# A seccomp filter as those of containers: ptrace (101) is answered with EPERM.
_NO_PTRACE: Final = """\
import ctypes, os, struct, sys
code = b"".join(struct.pack("<HBBI", *line) for line in (
    (0x20, 0, 0, 0), (0x15, 0, 1, 101), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)))
text = ctypes.create_string_buffer(code, len(code))
filter = ctypes.create_string_buffer(struct.pack("<H6xQ", 4, ctypes.addressof(text)))
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, filter, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""

MISTAKES: Final = (
    Mistake(
        "You have no C compiler.",
        "make demo CC=no-such-compiler",
        ("make demo needs a C compiler", "'no-such-compiler'", "apt-get install gcc libc6-dev", "make CC=clang"),
        "sh",
        remedy="install a C compiler, or name another one with `CC=`",
    ),
    Mistake(
        "You have no Python.",
        "make demo PYTHON=python3.99",
        ("pagetrap needs Python 3.11 or later and there is no python3.99", "apt-get install python3 python3-venv"),
        "sh",
        remedy="install Python 3.11 or later, or name it with `PYTHON=`",
    ),
    Mistake(
        "Your Python is too old.",
        "make demo PYTHON=python3.9",
        ("pagetrap needs Python 3.11 or later", "python3.9 is 3.9.2", "make PYTHON=/path/to/python3"),
        "sh",
        setup=_python("3.9.2", too_old=True),
        remedy="install Python 3.11 or later, or name it with `PYTHON=`",
    ),
    Mistake(
        "Your Python has no venv.",
        "make demo PYTHON=python3.11",
        ("python3.11 lacks the venv module: apt-get install python3-venv",),
        "sh",
        setup=_python("3.11.0", too_old=False),
        remedy="install python3-venv",
    ),
    Mistake(
        "You write Parquet without pyarrow.",
        _without("pyarrow", 'mmio.writer("run.parquet")'),
        ("writing Parquet needs pyarrow: pip install 'pagetrap[parquet]'",),
        remedy="install `pagetrap[parquet]`",
    ),
    Mistake(
        "You read an SVD file without lxml.",
        _without("lxml", 'mmio.from_svd("timer.svd", "TIMER")'),
        ("reading SVD needs lxml: pip install 'pagetrap[svd]'",),
        remedy="install `pagetrap[svd]`",
    ),
    Mistake(
        "You read SystemRDL without its compiler.",
        _without("systemrdl", 'mmio.from_rdl("timer.rdl")'),
        ("reading SystemRDL needs systemrdl-compiler: pip install 'pagetrap[rdl]'",),
        remedy="install `pagetrap[rdl]`",
    ),
    Mistake(
        "You draw a timeline without matplotlib.",
        _without("matplotlib", 'mmio.open_trace("run.jsonl").load().timeline("run.svg")'),
        ("drawing a timeline needs matplotlib: pip install 'pagetrap[plot]'",),
        remedy="install `pagetrap[plot]`",
    ),
    Mistake(
        "You draw a heat map without matplotlib.",
        _without("matplotlib", 'mmio.open_trace("run.jsonl").load().heatmap("run.svg")'),
        ("drawing a heat map needs matplotlib: pip install 'pagetrap[plot]'",),
        remedy="install `pagetrap[plot]`",
    ),
    Mistake(
        "You print a trace without rich.",
        _without("rich", 'print(mmio.open_trace("run.jsonl").load()[0].instruction)'),
        ("mov eax,[rdi]",),
        remark="Nothing is missing: tables are plain.",
        remedy="nothing: tables are printed without colours and lines; or install `pagetrap[cli]`",
        symptom="tables have no colours",
    ),
    Mistake(
        "You trace in a container that does not allow it.",
        "pagetrap trace --map '*/regs.bin' ./peek regs.bin",
        ("not permitted to trace process", "CAP_SYS_PTRACE", "docker run --cap-add=SYS_PTRACE"),
        "sh",
        under=(sys.executable, "-c", _NO_PTRACE),
        remedy="start the container with `--cap-add=SYS_PTRACE`",
        symptom="tracing is not permitted",
    ),
    Mistake(
        "You attach to another user's process.",
        """\
import os
from mmio import Tracer
if os.getuid() == 0:
    os.setuid(65534)  # an unprivileged user
Tracer().attach(1)
""",
        (
            "not permitted to trace process",
            "it takes the same user",
            "ptrace_scope at 0",
            "CAP_SYS_PTRACE (run as root)",
        ),
        remedy="run as the same user, or as root",
        symptom="tracing is not permitted",
    ),
)
