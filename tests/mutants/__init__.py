"""Is the suite any good? Faults put in on purpose, and the laws and tests that must notice.

`python -m tests.mutants [WORD ...]`, or `make mutants`.
"""
