"""A folder of DICOM files -> the cohort's table and images, split by patient."""
