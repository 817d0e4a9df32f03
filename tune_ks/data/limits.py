"""Limits on the size of an input. A real breast MRI stays far below them; what exceeds one is refused and named."""

MAX_SIDE = 4096  # pixels a side of an image, also after resampling: it is padded to a square and Fourier transformed
MAX_FILE_BYTES = 256 * 2**20  # one DICOM file; 4096 x 4096 pixels of 32 bits are 64 MiB
MAX_INFLATED_BYTES = 32 * 2**20  # a file of the deflated transfer syntax, inflated
MAX_READS = 200_000  # of the parser in one file; an element costs one to three reads, wherever it is nested
MAX_VALUE_BYTES = 1024  # a value of the header: those that are read are a few numbers or a short text
MAX_SHEET_BYTES = 2**30  # a sheet, on disk and unpacked; Duke's mapping sheet, the largest known, has 50 MB packed
MAX_ROWS = 2**20  # of a sheet: Excel's own limit
MAX_COLUMNS = 256  # of a sheet; Duke's widest has 98
MAX_VOLUME_BYTES = 2**30  # one NIfTI volume, unpacked; 512 x 512 x 512 voxels of 64 bits are just that
MAX_EXTENSION_BYTES = 16 * 2**20  # between the header of a NIfTI file and its voxels; they are skipped
MAX_DEFLATION = 1032  # by which deflate can shrink a file at most: 258 bytes for 2 bits
DECODER_BYTES = 4 * 2**30  # memory of a process that decodes


def mebibytes(count: int) -> str:
    """'256 MiB', for a message."""
    return f"{count / 2**20:,.0f} MiB" if count >= 2**20 else f"{count:,} bytes"
