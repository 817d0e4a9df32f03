"""What the tests make a child process do."""

import os
import sys
import time


def double(report, value):
    return 2 * value


def fail(report):
    return 1 / 0


def refuse(report):
    raise OSError(28, "No space left on device", "a.dcm")


def die(report):
    os.abort()


def noisy(report):
    os.write(1, b"a native library prints")
    print("and so does Python")
    return "quiet"


def report_values(report, values, bad):
    """-1 crashes, -2 hangs."""
    for value in values:
        report(value)
        if value < 0 and value not in bad:
            os.abort() if value == -1 else time.sleep(60)
    return [None if value in bad else value for value in values]


def grow(report, count):
    return len(bytearray(count))


def reads_dicom(report):
    """The top packages that a child has after it imported the reader, and the plugins that can decode JPEG lossless."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEGLosslessSV1

    from tune_ks.data.dicom import reader

    assert reader.read_header
    packages = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
    return packages, get_decoder(JPEGLosslessSV1).available_plugins


def number_of_process(report):
    return os.getpid()


def imported(report, names):
    """Those of the modules that were imported before this call."""
    return [name for name in names if name in sys.modules]
