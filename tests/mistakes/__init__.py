"""What a newcomer gets wrong, on purpose: each mistake made for real, with the message that comes of it.

The tables are by subject, `workshop.py` is where mistakes are made. `tests/test_mistakes.py` checks every message, and
that docs/mistakes.md shows it; `python -m tests.test_mistakes` writes that page.
"""
