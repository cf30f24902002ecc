"""Errors of guests."""

from mmio.errors import MmioError


class MissingError(MmioError):
    """Something that a guest needs is not on this machine; the message says what to install."""


class GuestError(MmioError):
    """A guest did not do what it was asked to: it has ended, or takes too long. The message has its last lines."""
