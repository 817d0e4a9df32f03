"""Everything that one analysis computes, and its words: selection.json, sentences, the terminal."""
