"""Layouts of cohorts on disk: a folder and its sheets -> the files to read, each with patient, slice and label."""
