"""Trace files: one format a module, all of them listed in `registry`."""

from mmio.formats.arrow import from_arrow
from mmio.formats.errors import TraceFileError, TraceFormatError
from mmio.formats.jsonlines import JsonLinesReader, JsonLinesWriter
from mmio.formats.mmiotrace import MmiotraceReader, MmiotraceWriter, nvidia_card
from mmio.formats.parquet import ParquetWriter
from mmio.formats.parquet_reader import ParquetReader
from mmio.formats.perfetto import PerfettoWriter
from mmio.formats.registry import FORMATS, Format, open_trace, save, writer
from mmio.formats.vcd import VcdWriter

__all__ = [
    "FORMATS",
    "Format",
    "JsonLinesReader",
    "JsonLinesWriter",
    "MmiotraceReader",
    "MmiotraceWriter",
    "ParquetReader",
    "ParquetWriter",
    "PerfettoWriter",
    "TraceFileError",
    "TraceFormatError",
    "VcdWriter",
    "from_arrow",
    "nvidia_card",
    "open_trace",
    "save",
    "writer",
]
