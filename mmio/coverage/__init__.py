"""Coverage of devices: which registers, fields, values and transitions a driver or a test suite has touched."""

from mmio.coverage.device import CoverageComparison, DeviceCoverage
from mmio.coverage.live import Collector

__all__ = ["Collector", "CoverageComparison", "DeviceCoverage"]
