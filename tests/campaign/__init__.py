"""Campaigns: cases by the hundred thousand on the CPU and on a subject, and what they showed, published.

`python -m tests.campaign --help`, or `make campaign CASES=200 SEED=1 [ENGINE=unicorn] [BITS=64]`.
"""
