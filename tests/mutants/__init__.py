"""Is the suite any good? Faults that other emulators have had, put into this one, and the laws that must notice.

`python -m tests.mutants [NAME ...]`, or `make mutants`.
"""
