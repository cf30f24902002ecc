"""`pagetrap doctor`: what it is asked. What it does is in `pagetrap/doctor`, which needs no package but itself."""

import argparse
from importlib import import_module
from typing import Final

from mmio.commands.parser import Commands, Example, declare
from mmio.demand import called

_EXAMPLES: Final = (
    Example("which engines work here, and why not", "pagetrap doctor"),
    Example("a check in CI, where only drivers are tested", "pagetrap doctor --need inprocess --need patching"),
    Example("for a bug report or a program", "pagetrap doctor --json"),
)
_NOTE: Final = (
    "Each engine is tried with a device in Python: code in a process of its own, and a program of a few bytes. A guest "
    "is not booted; its parts are looked for. `no` is what is absent and need not be there; `warning` what may become "
    "a problem; `FAILED` what must be corrected. It also works when another distribution has installed a package named "
    "decode, emulate or mmio over pagetrap's, or a dependency is missing."
)
_EXIT: Final = (
    "Exit status: 0 when all that is needed works, 1 when something does not, 2 when the command line is wrong."
)


def add(commands: Commands) -> None:
    """Declare the subcommand."""
    engines = import_module("pagetrap.doctor.engines")  # above this package
    command = declare(
        commands,
        "doctor",
        _doctor,
        "Examine this machine and this installation: Python, pagetrap's own files and other distributions of these "
        "names, dependencies and extras, CPU, kernel and permissions, each engine, tools.",
        _EXAMPLES,
        (_NOTE, _EXIT),
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument(
        "--need",
        metavar="ENGINE",
        action="append",
        choices=tuple(engines.ENGINES),
        help=f"an engine that has to work: {', '.join(engines.ENGINES)}; may be given several times "
        f"(default: {', '.join(engines.NEEDED)})",
    )


def _doctor(options: argparse.Namespace) -> int:
    needed = {"needed": options.need} if options.need else {}
    return int(called("pagetrap.doctor.report:run")(as_json=options.json, **needed))
