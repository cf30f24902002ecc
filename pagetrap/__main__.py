"""The process of the command line: `pagetrap`, also `python -m pagetrap`.

What it imports is there even when `decode`, `emulate` or `mmio` is another distribution's package.
"""

import sys

from pagetrap.collisions import collisions, message


def command() -> int:
    """Run `pagetrap` as a process of its own, and return its exit status.

    Where a package is not pagetrap's there is only `pagetrap doctor`, and the message that it has.
    """
    found = collisions()
    if not found:
        from mmio.__main__ import command as run

        return run()
    print(f"pagetrap: {message(found)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(command())
