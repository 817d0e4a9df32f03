"""The two-vendor breast MRI phantom, written as DICOM in Duke's layout."""
