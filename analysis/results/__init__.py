"""What one analysis computes, what its figures show, and how it is said: compute, infos, selection.json, terminal."""
