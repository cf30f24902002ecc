"""SystemRDL 2.0 (Accellera): register descriptions with side effects. Read with systemrdl-compiler, written as text."""

from mmio.descriptions.rdl.chip import RdlFile
from mmio.descriptions.rdl.device import from_rdl
from mmio.descriptions.rdl.text import to_rdl

__all__ = ["RdlFile", "from_rdl", "to_rdl"]
