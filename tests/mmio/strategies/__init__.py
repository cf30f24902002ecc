"""Tests of mmio.strategies."""
