"""Measures handleref against plain Django and its rivals: ``python -m benchmarks``."""
