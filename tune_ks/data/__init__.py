"""From DICOM folders to tensors: dicom -> cohort -> dataset; phantom writes a cohort of its own."""
