"""CMSIS-SVD: the XML in which vendors of microcontrollers describe their peripherals. Read with cmsis-svd."""

from mmio.descriptions.svd.device import from_svd

__all__ = ["from_svd"]
