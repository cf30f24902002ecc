"""Tests of mmio.faults."""
