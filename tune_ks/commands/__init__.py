"""The commands of run_search.py, one file each, with their arguments and their output."""
