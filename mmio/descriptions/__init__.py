"""Devices made from register descriptions, CMSIS-SVD and SystemRDL 2.0, and written back as SystemRDL."""

from mmio.descriptions.errors import DescriptionError, DescriptionWarning
from mmio.descriptions.rdl import RdlFile, from_rdl, to_rdl
from mmio.descriptions.report import Note
from mmio.descriptions.svd import SvdFile, from_svd

__all__ = ["DescriptionError", "DescriptionWarning", "Note", "RdlFile", "SvdFile", "from_rdl", "from_svd", "to_rdl"]
