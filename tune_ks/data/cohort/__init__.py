"""A folder of DICOM files -> the cohort's table, split by patient, and its images."""
