"""From DICOM folders to tensors: dicom -> layouts -> cohort -> dataset. The phantom writes such a folder itself."""
