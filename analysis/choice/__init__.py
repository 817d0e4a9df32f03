"""Which rate: the selection rules, and how sure their choices are."""
