"""Which rate: the selection rules, and what the data say about the choice."""
