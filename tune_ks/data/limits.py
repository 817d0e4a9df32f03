"""How much one input may ask for. A real breast MRI needs a small share of each; more is refused, and named."""

MAX_SIDE = 4096  # pixels a side of one image, also after resampling: it is padded to a square, and its k-space is made
MAX_FILE_BYTES = 256 * 2**20  # one DICOM file; 4096 x 4096 pixels of 32 bits are 64 MiB
MAX_INFLATED_BYTES = 32 * 2**20  # one file of the deflated transfer syntax, inflated
MAX_READS = 200_000  # of the parser in one file; an element costs one to three, wherever it is nested
MAX_VALUE_BYTES = 1024  # one value of the header: all that are looked at are a few numbers or a short text
MAX_SHEET_BYTES = 2**30  # one sheet, on disk and unpacked; Duke's mapping sheet, the largest known, has 50 MB packed
MAX_ROWS = 2**20  # of a sheet: Excel's own limit
MAX_COLUMNS = 256  # of a sheet that are looked at; Duke's widest has 98
DECODER_BYTES = 4 * 2**30  # memory of a process that decodes


def mebibytes(count: int) -> str:
    """'256 MiB', for a message."""
    return f"{count / 2**20:,.0f} MiB" if count >= 2**20 else f"{count:,} bytes"
