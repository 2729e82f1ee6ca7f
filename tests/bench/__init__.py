"""Benchmarks: each beside its floor in the same run. Ratios count; absolute figures do not."""
