"""Error for a program that cannot be hosted in this process."""

from typing import Final

from mmio.errors import MmioError

ADVICE: Final = "use --engine=ptrace (`mmio.Tracer`)"
"""What to do where a program cannot be hosted."""


class HostError(MmioError):
    """A program cannot be started or continued in this process."""
