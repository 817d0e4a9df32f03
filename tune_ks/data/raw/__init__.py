"""Raw k-space files: fastMRI's HDF5 and ISMRMRD, a slice at a time."""
