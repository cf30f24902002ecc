"""The process of the command line: `pagetrap`, also `python -m mmio`.

`pagetrap.__main__` comes before it, and checks that this package is pagetrap's.

Nothing is imported here but what Ctrl-C needs, since loading the rest takes a noticeable part of a second.
"""

import signal
import sys


def command() -> int:
    """Run `pagetrap` as a process of its own, and return its exit status.

    While modules are loaded there is nothing to finish, and SIGINT has the effect it has on a program that does not
    handle it; a `KeyboardInterrupt` in an import would be a traceback. Afterwards Ctrl-C is as in any Python program,
    unless it was ignored from the beginning (nohup, a shell's background).
    """
    handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if handled:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mmio.commands.main import run

    if handled:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


if __name__ == "__main__":
    sys.exit(command())
