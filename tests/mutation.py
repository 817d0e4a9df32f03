"""Seeded damage: the bytes of a file and a random stream -> a mutant of it. Knows DICOM, workbooks, CSV and JSON."""

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable

import numpy as np

from tune_ks.data.dicom.file import TAGS

Damage = Callable[[bytes, np.random.Generator], bytes]
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
SYNTAXES = [f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2", ".5")] + [
    f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 100, 201)
]
NUMBERS = ("-1", "0", "1e999", "999999999999999999999", "nan", "", "1;2", "0x10", "٣")
VALUES = (None, True, -1, 0, 1e308, 10**30, "", "../../x", "x" * 10_000, [], [[]], {}, {"a": 1}, [None], float("nan"))


def pick(rng, options):
    return options[int(rng.integers(len(options)))]


# ------------------------------------------------------------------------------------------------ any bytes


def flip(data, rng):
    """One to twelve bytes, half of the time near the start, where headers are."""
    mutant = bytearray(data)
    end = min(len(data), 2000) if rng.random() < 0.5 else len(data)
    for at in rng.integers(0, max(1, end), rng.integers(1, 13)):
        mutant[at : at + 1] = rng.bytes(1)
    return bytes(mutant)


def cut(data, rng):
    return data[: rng.integers(0, len(data) + 1)]


def _span(data, rng):
    start = int(rng.integers(0, len(data) + 1))
    return start, start + int(rng.integers(1, pick(rng, (8, 64, 4096)) + 1))


def delete(data, rng):
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def duplicate(data, rng):
    start, end = _span(data, rng)
    return data[:end] + data[start:]


def insert(data, rng):
    start, end = _span(data, rng)
    return data[:start] + rng.bytes(end - start) + data[start:]


def number(data, rng):
    """A two- or four-byte number becomes an extreme one."""
    at = int(rng.integers(0, max(1, min(len(data), pick(rng, (400, 4000, 10**9))))))
    form = pick(rng, ("<H", ">H", "<L", ">L"))
    value = pick(rng, EXTREMES) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
    packed = struct.pack(form, value)
    return data[:at] + packed + data[at + len(packed) :]


BYTES = (flip, cut, delete, duplicate, insert, number)


# ------------------------------------------------------------------------------------------------ DICOM


def _elements(data):
    """Where the elements that are read begin, in either byte order."""
    from pydicom.datadict import tag_for_keyword

    offsets = []
    for name in TAGS:
        tag = tag_for_keyword(name)
        for form in ("<HH", ">HH"):
            at = data.find(struct.pack(form, tag >> 16, tag & 0xFFFF), 132)
            if at >= 0:
                offsets.append(at)
    return sorted(set(offsets)) or [min(132, len(data))]


def dicom_length(data, rng):
    at = pick(rng, _elements(data)) + pick(rng, (4, 6, 8))
    packed = struct.pack(pick(rng, ("<H", "<L")), pick(rng, EXTREMES) & 0xFFFF)
    return data[:at] + packed + data[at + len(packed) :]


def dicom_tag(data, rng):
    """One element takes another's number, or its type."""
    places = _elements(data)
    at, other = pick(rng, places), pick(rng, places)
    if rng.random() < 0.5:
        return data[:at] + data[other : other + 4] + data[at + 4 :]
    return data[: at + 4] + pick(rng, (b"SQ", b"UN", b"OB", b"DS", b"US", b"IS", b"zz")) + data[at + 6 :]


def dicom_value(data, rng):
    at = pick(rng, _elements(data)) + 8
    text = pick(rng, (b"1e999 ", b"-1", b"\\\\\\\\", b"0\\0", b"\xff\xff", b"nan ", rng.bytes(16)))
    return data[:at] + text + data[at + len(text) :]


def dicom_syntax(data, rng):
    at = data.find(struct.pack("<HH2s", 2, 0x10, b"UI"))
    if at < 0:
        return flip(data, rng)
    length = struct.unpack("<H", data[at + 6 : at + 8])[0]
    name = pick(rng, SYNTAXES).encode()
    name += b"\0" * (len(name) % 2)
    return data[: at + 6] + struct.pack("<H", len(name)) + name + data[at + 8 + length :]


DICOM = (*BYTES, dicom_length, dicom_tag, dicom_value, dicom_syntax)


# ------------------------------------------------------------------------------------------------ sheets


def text_number(data, rng):
    """A number in a text becomes another one."""
    matches = [*re.finditer(rb"\d+(\.\d+)?", data)]
    if not matches:
        return flip(data, rng)
    at = pick(rng, matches)
    return data[: at.start()] + pick(rng, NUMBERS).encode() + data[at.end() :]


def xml_tag(data, rng):
    """One tag is lost, or stands twice."""
    matches = [*re.finditer(rb"<[^>]*>", data)]
    if not matches:
        return flip(data, rng)
    at = pick(rng, matches)
    return data[: at.start()] + at.group() * pick(rng, (0, 2)) + data[at.end() :]


def xml_type(data, rng):
    kinds = [b't="%s"' % kind for kind in (b"s", b"n", b"b", b"d", b"e", b"str", b"inlineStr")]
    matches = [*re.finditer(rb't="\w+"', data)]
    if not matches:
        return xml_tag(data, rng)
    at = pick(rng, matches)
    return data[: at.start()] + pick(rng, kinds) + data[at.end() :]


def member(data, rng):
    """One member of an archive is damaged, lost, or takes another's place."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # an earlier damage has made it unreadable
        return flip(data, rng)
    name = pick(rng, list(members))
    what = rng.random()
    if what < 0.1:
        del members[name]
    elif what < 0.2:
        members[name] = members[pick(rng, list(members))]
    else:
        members[name] = pick(rng, (*BYTES, text_number, xml_tag, xml_type))(members[name], rng)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


WORKBOOK = (*BYTES, member, member, member, member)


def csv_encoding(data, rng):
    text = data.decode("utf-8", "replace")
    return text.encode(pick(rng, ("utf-16", "utf-8-sig", "utf-32", "cp037")), "replace")


def csv_sign(data, rng):
    """A sign that means something to a reader of tables, at a random place, or in the place of another."""
    sign = pick(rng, (b'"', b"\0", b",", b";", b"\n", b"\r", b"\t", b"\xff", b"'", b"\\", b"\n\n", b'""', b"=1+1"))
    if rng.random() < 0.3:
        return data.replace(pick(rng, (b",", b"\n", b"0")), sign)
    at = int(rng.integers(0, len(data) + 1))
    return data[:at] + sign + data[at:]


def csv_field(data, rng):
    """One field becomes something else: huge, a number, a path that leaves the folder."""
    lines = data.split(b"\n")
    at = int(rng.integers(0, len(lines)))
    fields = lines[at].split(b",")
    other = pick(rng, (b"x" * 300_000, b"../../etc/passwd", b"/etc/passwd", b"C:\\x.dcm", b"", b"a\0b", b"..\\x.dcm"))
    fields[int(rng.integers(0, len(fields)))] = other if rng.random() < 0.6 else pick(rng, NUMBERS).encode()
    lines[at] = b",".join(fields)
    return b"\n".join(lines)


def csv_lines(data, rng):
    """A line is lost, stands twice, or is drawn out."""
    lines = data.split(b"\n")
    at = int(rng.integers(0, len(lines)))
    lines[at : at + 1] = pick(rng, ([], [lines[at]] * 2, [lines[at] + b",x"], [lines[at] + b"," * 5000]))
    return b"\n".join(lines)


CSV = (*BYTES, csv_encoding, csv_sign, csv_sign, csv_field, csv_field, csv_lines, text_number)


# ------------------------------------------------------------------------------------------------ JSON


def _walk(value, path=()):
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from _walk(value[key], (*path, key))


def json_value(data, rng):
    """One value, anywhere in it, becomes one of another type; or it is lost, or gets a neighbour."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        return flip(data, rng)
    path = pick(rng, [*_walk(whole)])
    if not path:
        return json.dumps(pick(rng, VALUES)).encode()
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    what = rng.random()
    if what < 0.15:
        del inner[path[-1]]
    elif what < 0.25 and isinstance(inner, dict):
        inner["another"] = pick(rng, VALUES)
    else:
        inner[path[-1]] = pick(rng, VALUES)
    return json.dumps(whole).encode()


def json_depth(data, rng):
    """A hundred thousand brackets, or digits."""
    deep = pick(rng, (b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000))
    at = data.find(b":") + 1
    return data[:at] + deep + data[at:]


JSON = (*BYTES, *[json_value] * 6, json_depth, text_number)


def mutant(data: bytes, damages: tuple[Damage, ...], rng: np.random.Generator) -> bytes:
    """One to three kinds of damage, one after the other."""
    for _ in range(pick(rng, (1, 1, 2, 3))):
        data = pick(rng, damages)(data, rng)
    return data
