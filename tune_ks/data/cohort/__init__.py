"""A folder of images -> the cohort's table, split by patient, and its images."""
