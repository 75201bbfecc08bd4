"""The parts of ``benchmarks/bench.py``: nothing in here is imported by Zakrom."""
