"""The report of a run, or of the runs of a folder, as a page on this machine that follows the records."""
