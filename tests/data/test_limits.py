"""Bombs and absurd sizes: refused by a limit that the message states, without the memory that they ask for."""

import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEG2000Lossless

from dicom_files import BOXES, MAPPING, anatomy, read_image, save_labels, write_dicom, write_duke, write_table_cohort
from tune_ks.data import child_process, limits
from tune_ks.data.dicom.reader import read_file, read_header
from tune_ks.data.unusable import UnusableFile

ROOM = 700 * 2**20  # address space beyond what the imports take: far less than any of these inputs asks for
SHARED = Path(__file__).parents[3] / "shared" / "data"
PREAMBLE = b"\0" * 128 + b"DICM"

# A process that imports the readers once and forks for each list of calls: the fork, with little room left in its
# address space, says what happens, and how much memory it took beyond the imports.
OBSERVER = """
import json, os, re, resource, signal, sys
from pathlib import Path
from tune_ks.data.cohort import cohort
from tune_ks.data.dicom import reader as dicom
from tune_ks.data.layouts import duke
from tune_ks.data.layouts import labels
from tune_ks.data.cohort import settings
from tune_ks.data.layouts import sheets

def peak():  # of this process alone: ru_maxrss begins with the parent's
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

def observe(calls):
    before = peak()
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    said = []
    for call in calls:
        try:
            eval(call)
            said.append("read")
        except (dicom.UnusableFile, sheets.InputError) as error:
            said.append(str(error))
    return said, peak() - before

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        print(json.dumps(observe(json.loads(line))), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(json.dumps("died"), flush=True)
"""


@pytest.fixture(scope="module")
def observed():
    """Lines of Python -> (what each said, KiB that all took)."""
    script = OBSERVER.replace("ROOM", str(ROOM))
    observer = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def observe(*calls):
        observer.stdin.write(json.dumps(calls) + "\n")
        observer.stdin.flush()
        answer = json.loads(observer.stdout.readline())
        assert answer != "died"
        said, kib = answer
        return said, kib

    yield observe
    observer.stdin.close()
    assert observer.wait(timeout=500) == 0


def element(group, number, vr, value):
    """One explicit little-endian element; ``value`` None opens an undefined length."""
    head = struct.pack("<HH2s", group, number, vr)
    if vr in (b"SQ", b"OW", b"OB", b"UN"):
        return head + b"\0\0" + struct.pack("<L", 0xFFFFFFFF if value is None else len(value)) + (value or b"")
    return head + struct.pack("<H", len(value)) + value


def meta(syntax):
    name = syntax.encode() + b"\0" * (len(syntax) % 2)
    inside = element(2, 0x10, b"UI", name)
    return PREAMBLE + element(2, 0, b"UL", struct.pack("<L", len(inside))) + inside


# ------------------------------------------------------------------------------------------------ DICOM


ABSURD = {
    "absurd size (65535 x 65535 pixels, the limit is 4096 a side)": {"Rows": 65535, "Columns": 65535},
    "absurd size (1 x 65535 pixels, the limit is 4096 a side)": {"Rows": 1, "Columns": 65535},
    "absurd size (4097 x 16 pixels, the limit is 4096 a side)": {"Rows": 4097},
    "several frames": {"NumberOfFrames": 2**31 - 1},
    "absurd pixel spacing (would become 16 x 1.6e+07, the limit is 4096 a side)": {"PixelSpacing": [1e-3, 1e3]},
}


def test_absurd_images_are_refused_without_their_memory(tmp_path, observed):
    files = [write_dicom(tmp_path / str(number), **tags) for number, tags in enumerate(ABSURD.values())]
    said, kib = observed(*(f"dicom.read_file({str(file)!r})" for file in files))
    assert said == list(ABSURD)
    assert kib < 50_000


def test_the_largest_image_is_read(tmp_path):
    side = limits.MAX_SIDE
    pixels = np.broadcast_to(np.arange(side, dtype=np.uint16), (4, side))
    assert read_image(write_dicom(tmp_path / "x", pixels, PixelSpacing=None)).shape == (4, side)


def test_a_file_larger_than_any_image_is_not_read(tmp_path):
    write_dicom(tmp_path / "x")
    os.truncate(tmp_path / "x", limits.MAX_FILE_BYTES + 2**20)  # a hole: takes no disk
    for read in (read_header, read_file):
        with pytest.raises(UnusableFile, match=r"too large for one image \(257 MiB, the limit is 256 MiB\)"):
            read(tmp_path / "x")


def nested(depth):
    """A sequence within a sequence within a sequence ..."""
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return (element(0x0008, 0x1140, b"SQ", None) + item) * depth


def test_deep_sequences_are_refused(tmp_path, observed):
    (tmp_path / "deep").write_bytes(meta(ExplicitVRLittleEndian) + nested(100_000))
    (said,), kib = observed(f"dicom.read_file({str(tmp_path / 'deep')!r})")
    assert said == "sequences nested too deeply (the limit is about 200 levels)"
    assert kib < 50_000


def test_a_hundred_levels_are_read(tmp_path):
    close = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    whole = write_dicom(tmp_path / "x").read_bytes()
    at = whole.index(struct.pack("<HH2s", 8, 0x1090, b"LO"))  # before the model's name
    (tmp_path / "x").write_bytes(whole[:at] + nested(100) + close * 100 + whole[at:])
    assert read_header(tmp_path / "x").model == "Model"


def test_a_header_of_endless_elements_is_refused(tmp_path, observed):
    small = element(0x0009, 0x0001, b"CS", b"") * (limits.MAX_READS + 1)
    item = element(0x0008, 0x1140, b"SQ", None) + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    for name, content in {"beside": small, "inside": item + small}.items():
        (tmp_path / name).write_bytes(meta(ExplicitVRLittleEndian) + content)
    said, kib = observed(*(f"dicom.read_file({str(tmp_path / name)!r})" for name in ("beside", "inside")))
    assert said == ["damaged (more than 200,000 elements)"] * 2
    assert kib < 150_000


def test_a_header_value_of_megabytes_is_not_parsed(tmp_path, observed):
    """As numbers, 20 MB of text would take gigabytes."""
    spacing = struct.pack("<HH2s", 0x0028, 0x0030, b"UN") + b"\0\0" + struct.pack("<L", 20_000_000) + b"1\\" * 10**7
    whole = write_dicom(tmp_path / "x", PixelSpacing=None).read_bytes()
    at = whole.index(struct.pack("<HH2s", 0x28, 0x100, b"US"))
    (tmp_path / "x").write_bytes(whole[:at] + spacing + whole[at:])
    (said,), kib = observed(f"dicom.read_file({str(tmp_path / 'x')!r})")
    assert said == "damaged (PixelSpacing is longer than 1024 bytes)"
    assert kib < 100_000


def deflated(path, content):
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    path.write_bytes(meta(DeflatedExplicitVRLittleEndian) + packer.compress(content) + packer.flush())
    return path


def test_a_deflated_file_is_read_and_a_deflated_bomb_is_not(tmp_path, observed):
    pixels = anatomy(64, 64)
    whole = write_dicom(tmp_path / "plain", pixels).read_bytes()
    length = struct.unpack("<L", whole[140:144])[0]
    file = deflated(tmp_path / "deflated", whole[144 + length :])
    assert np.array_equal(read_image(file), pixels)
    assert read_header(file).width == 64
    with pytest.raises(UnusableFile, match="truncated"):
        read_image(deflated(tmp_path / "cut", whole[144 + length : -100]))
    bomb = deflated(tmp_path / "bomb", bytes(2**28))
    assert bomb.stat().st_size < 2**20
    (said,), kib = observed(f"dicom.read_header({str(bomb)!r})")
    assert said == "too large (inflates to more than 32 MiB)"
    assert kib < 100_000


def test_a_decoder_that_wants_gigabytes_costs_one_file(tmp_path):
    """A JPEG 2000 stream that says 60000 x 60000 of itself, in a file that says 16 x 16."""
    files = sorted((SHARED / "dicom_syntaxes").glob("*.dcm"))
    if not files:
        pytest.skip("the nine encodings are not here")
    met = 0
    for file in files:
        whole = file.read_bytes()
        if JPEG2000Lossless.encode() not in whole[:1000] or (at := whole.find(b"\xff\x4f\xff\x51")) < 0:
            continue
        size = struct.pack(">LL", 60_000, 60_000)
        tile = at + 8 + 8 + 8
        grown = whole[: at + 8] + size + whole[at + 16 : tile] + size + whole[tile + 8 :]
        (tmp_path / "grown").write_bytes(grown)
        with pytest.raises(UnusableFile, match=r"damaged|needs more memory|the decoder crashed"):
            read_image(tmp_path / "grown")
        assert read_image(file).size > 0
        met += 1
    assert met


def test_children_decode_within_a_limit_of_memory(child_work):
    with pytest.raises(RuntimeError, match="MemoryError"):
        child_process.call("child_work:grow", {"count": limits.DECODER_BYTES + 2**30})


# ------------------------------------------------------------------------------------------------ sheets


def rewrite(path, name, change):
    """Put ``change(content)`` in the place of one member of a workbook."""
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    members[name] = change(members[name])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for member, content in members.items():
            archive.writestr(member, content)


@pytest.fixture
def said_of(observed):
    """A folder -> what opening its cohort says, with the process's memory limited, and the KiB that it took."""

    def open_folder(root):
        call = (
            f"cohort.open_cohort(Path({str(root)!r}), settings.CohortSettings(), 16, Path({str(root / 'cache')!r}), 1)"
        )
        (said,), kib = observed(call)
        return said, kib

    return open_folder


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(tmp_path, said_of):
    write_duke(tmp_path, patients=1, slices=2)
    book = zipfile.ZipFile(tmp_path / MAPPING, "a", zipfile.ZIP_DEFLATED, compresslevel=1)
    with book, book.open("xl/media/blank", "w") as member:
        for _ in range(1025):
            member.write(bytes(2**20))
    said, kib = said_of(tmp_path)
    assert said == f"{MAPPING} unpacks to 1,025 MiB, the limit is 1,024 MiB: no sheet is so large"
    assert kib < 150_000


SHEET = "xl/worksheets/sheet1.xml"


def test_a_row_far_below_is_not_waited_for(tmp_path, said_of):
    write_duke(tmp_path, patients=1, slices=2)
    rewrite(tmp_path / BOXES, SHEET, lambda xml: xml.replace(b'<row r="3">', b'<row r="1000000000000">'))
    assert f"{BOXES} has more than 1,048,576 rows, the limit" in said_of(tmp_path)[0]


def test_entities_that_grow_are_refused(tmp_path, said_of):
    write_duke(tmp_path, patients=1, slices=2)
    entities = b"".join(
        b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10 if n else b"laughter " * 100) for n in range(9)
    )

    def bomb(xml):
        start = xml.index(b"<worksheet")
        xml = b"<!DOCTYPE worksheet [" + entities + b"]>" + xml[start:]
        return xml.replace(b"<sheetData>", b'<sheetData><row r="1"><c r="A1" t="str"><v>&e8;</v></c></row>', 1)

    rewrite(tmp_path / BOXES, SHEET, bomb)
    said, kib = said_of(tmp_path)
    assert f"{BOXES} cannot be read as a workbook" in said
    assert kib < 150_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,patient_id,label\n" + "," * 1_000_000, "labels.csv has a row of 1,000,001 columns, the limit is 256"),
        ("path,patient_id,label\n" + "x" * 200_000 + ",1,1\n", "line 2: field larger than field limit (131072)"),
        ('path,patient_id,label\na.dcm,1,1\n"b.dcm,1,0\nc.dcm,2,1\n', "line 4: unexpected end of data"),
        ("path,patient_id,label\na.dcm,1,1,0\n", "line 2 has 4 values, the header names 3 columns"),
        (
            "path,patient_id,label\na.dcm,1,1\n".encode("utf-16"),
            "labels.csv is no UTF-8 text; save it again as such (Excel: 'CSV UTF-8')",
        ),
    ],
)
def test_tables_that_are_no_tables(tmp_path, text, words, said_of):
    write_table_cohort(tmp_path, patients=1)
    (tmp_path / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    said, kib = said_of(tmp_path)
    assert words in said
    assert kib < 150_000


def test_a_table_larger_than_any_is_not_read(tmp_path, said_of):
    save_labels(tmp_path, write_table_cohort(tmp_path, patients=1))
    os.truncate(tmp_path / "labels.csv", limits.MAX_SHEET_BYTES + 2**20)
    assert said_of(tmp_path)[0] == "labels.csv is 1,025 MiB, the limit is 1,024 MiB: no sheet is so large"
