"""Errors of guests."""

from mmio.errors import MmioError


class MissingError(MmioError):
    """A program or file for guests is not installed; the message says what to install."""


class GuestError(MmioError):
    """A guest has ended or does not answer in time. The message has its last lines of output."""
