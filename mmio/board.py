"""`python -m mmio.board --include` prints the directory of the package's C headers, for the compiler's -I.

The function `mmio.board` is in `mmio/boards`. Importing a module sets it as an attribute of its package, here in the
function's place. So this module leaves the function in `sys.modules`, which is what the import sets and returns.
"""

import sys

from mmio.cortex_m.intrinsics import INCLUDE


def main(arguments: list[str]) -> int:
    """Print what is asked for; return the exit status."""
    if arguments != ["--include"]:
        print("usage: python -m mmio.board --include", file=sys.stderr)
        print(
            "Prints the directory of pagetrap_cmsis.h and pagetrap_run.h: cc -I$(python -m mmio.board --include) …",
            file=sys.stderr,
        )
        return 2
    print(INCLUDE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

from mmio.boards import board  # noqa: E402  (`python -m` needs none of it)

sys.modules[__name__] = board  # type: ignore[assignment]
