"""The parts of benchmarks/gpu.py: one file, one measurement. Each part's ``run`` prints its own table, row by row."""
