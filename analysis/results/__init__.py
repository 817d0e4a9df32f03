"""All that one analysis computes, and how it is said: compute, selection.json, sentences, warnings, terminal."""
