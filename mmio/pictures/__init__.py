"""Traces to look at: tables, bars in the terminal, timelines and heat maps."""
