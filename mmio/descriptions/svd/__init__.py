"""CMSIS-SVD: the XML in which vendors of microcontrollers describe their peripherals. Parsed with lxml."""

from mmio.descriptions.svd.chip import SvdFile, from_svd

__all__ = ["SvdFile", "from_svd"]
