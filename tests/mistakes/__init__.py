"""Common mistakes, each made for real, with its message.

The tables are by subject, `workshop.py` is where mistakes are made. `tests/test_mistakes.py` checks every message, and
that docs/mistakes.md shows it; `python -m tests.test_mistakes` writes that page.
"""
