"""One DICOM file -> one image with its acquisition parameters. Of the readers, only this one imports pydicom."""
