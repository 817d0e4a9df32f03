"""One DICOM file -> one image with its acquisition parameters; the only place that imports pydicom."""
