"""Soak test: random mixtures of all that can disturb a traced program, which must end as without pagetrap.

`python -m tests.soak`, or `make soak SECONDS=60 SEED=1`. A seed makes a scenario (`scenario.py`): a script for the
program `target.c`, an engine, and what goes wrong meanwhile. It is run natively and under pagetrap (`running.py`), and
both outcomes are compared (`judging.py`).
"""
