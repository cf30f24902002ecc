"""Registers over an XSAVE area: common base of the frames of all live sources.

Most instructions never ask for it, and finding or fetching it costs more than they do. So each attribute looks for the
area when it is used, by way of the frame's `xsave`.
"""

from typing import Any

from emulate import RegisterFile
from mmio.linux.xsave import XSave


class _Saved:
    """An attribute of the frame's XSAVE area."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, frame: Any, owner: type) -> Any:
        return self if frame is None else getattr(frame.xsave, self._name)

    def __set__(self, frame: Any, value: Any) -> None:
        setattr(frame.xsave, self._name, value)


class XSaveFrame(RegisterFile):
    """The registers of a stopped thread, for a subclass that says where `regs`, segments and the XSAVE area are."""

    protected = True

    vector: Any = _Saved()
    k: Any = _Saved()
    x87: Any = _Saved()
    fcw: Any = _Saved()
    fsw: Any = _Saved()
    ftw: Any = _Saved()
    mxcsr: Any = _Saved()

    @property
    def xsave(self) -> XSave:
        """The XSAVE area: all registers but the general ones."""
        raise NotImplementedError
