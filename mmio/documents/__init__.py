"""Documents made out of device classes: register tables in Markdown and HTML, C headers, CMSIS-SVD."""

from mmio.documents.document import document

__all__ = ["document"]
