"""A run folder -> tables: trials, configurations, the arrays of a trial."""
