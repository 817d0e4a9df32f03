"""Raw k-space files as fastMRI and ISMRMRD have them, made of a phantom's slices and made coil sensitivities."""

import numpy as np

from tune_ks.data.kspace import to_kspace
from tune_ks.data.phantom.qsm import head, susceptibility

ROWS = 48  # samples of a readout, oversampled: its field of view is larger than that of the lines
COLUMNS = 32  # lines
RECONSTRUCTED = 24  # pixels a side of the matrix in which boxes are drawn
PIXEL_MM = 5.0
BOX = {"x": 5, "y": 8, "width": 4, "height": 6}  # of a slice with a finding; y counts from the last row upwards
XML = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
 <subjectInformation><patientName>SECRET^NAME</patientName><patientID>SECRET1</patientID></subjectInformation>
 <studyInformation><studyDate>1999-01-01</studyDate></studyInformation>
 <acquisitionSystemInformation><systemVendor>{maker}</systemVendor><systemModel>{model}</systemModel>
  <systemFieldStrength_T>{field_t}</systemFieldStrength_T><institutionName>SECRET HOSPITAL</institutionName>
 </acquisitionSystemInformation>
 <experimentalConditions><H1resonanceFrequency_Hz>63500000</H1resonanceFrequency_Hz></experimentalConditions>
 <encoding><trajectory>{trajectory}</trajectory>
  <encodedSpace><matrixSize><x>{rows}</x><y>{columns}</y><z>1</z></matrixSize>
   <fieldOfView_mm><x>{rows_mm}</x><y>{columns_mm}</y><z>4</z></fieldOfView_mm></encodedSpace>
  <reconSpace><matrixSize><x>{recon}</x><y>{recon}</y><z>1</z></matrixSize>
   <fieldOfView_mm><x>{recon_mm}</x><y>{recon_mm}</y><z>4</z></fieldOfView_mm></reconSpace>
  <encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{last}</maximum><center>{centre}</center>
  </kspace_encoding_step_1></encodingLimits>
 </encoding>
 <sequenceParameters><TR>2800</TR><TE>27</TE><flipAngle_deg>150</flipAngle_deg></sequenceParameters>
</ismrmrdHeader>"""


def header(**values):
    """The XML header of a scan on the grid above."""
    known = {
        "maker": "SIEMENS", "model": "Skyra", "field_t": 2.89, "trajectory": "cartesian", "rows": ROWS,
        "columns": COLUMNS, "rows_mm": ROWS * PIXEL_MM, "columns_mm": COLUMNS * PIXEL_MM, "recon": RECONSTRUCTED,
        "recon_mm": RECONSTRUCTED * PIXEL_MM, "last": COLUMNS - 1, "centre": COLUMNS // 2,
    }  # fmt: skip
    return XML.format(**{**known, **values})


def slices_of(seed, count, with_finding=()):
    """(count, ROWS, COLUMNS): slices of a head; those with a finding are bright in BOX."""
    images = np.zeros((count, ROWS, COLUMNS))
    top = ROWS // 2 - COLUMNS // 2
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        shapes = head(rng)
        inside = np.abs(susceptibility(shapes, COLUMNS))
        rows, columns = np.mgrid[:COLUMNS, :COLUMNS] - COLUMNS // 2
        body = (rows / 13) ** 2 + (columns / 13) ** 2 < 1
        images[number, top : top + COLUMNS] = body * (1 + 2 * inside)
        if number in with_finding:
            images[number][in_full_grid()] = 5
    return images


def in_full_grid():
    """The rows and columns of BOX in (ROWS, COLUMNS)."""
    first_row = ROWS // 2 - RECONSTRUCTED // 2 + RECONSTRUCTED - BOX["y"] - BOX["height"]
    first_column = COLUMNS // 2 - RECONSTRUCTED // 2 + BOX["x"]
    return slice(first_row, first_row + BOX["height"]), slice(first_column, first_column + BOX["width"])


def kspace_of(images, coils):
    """(n, ROWS, COLUMNS) images -> (n, coils, ROWS, COLUMNS) complex64, each coil with a smooth complex sensitivity."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    kspace = np.empty((len(images), coils, ROWS, COLUMNS), np.complex64)
    for coil in range(coils):
        angle = 2 * np.pi * coil / coils
        distance = np.hypot(rows - ROWS / 2 - 20 * np.sin(angle), columns - COLUMNS / 2 - 20 * np.cos(angle))
        sensitivity = np.exp(-((distance / 25) ** 2) + 1j * (angle + columns / 30))
        for number, image in enumerate(images):
            kspace[number, coil] = to_kspace(sensitivity * image)
    return kspace


def write_fastmri(path, kspace, acquisition="CORPD_FBK", patient="SECRET2", xml=None, **header_values):
    """A file of fastMRI."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("kspace", data=kspace)
        file.create_dataset("ismrmrd_header", data=(xml or header(**header_values)).encode())
        file.attrs["acquisition"] = acquisition
        file.attrs["patient_id"] = patient
        file.attrs["max"] = 1.0
    return path


def write_ismrmrd(path, kspace, skipped=(), **header_values):
    """The same k-space (slices, coils, rows, columns) as acquisitions, with a readout of noise before them."""
    import ismrmrd

    with ismrmrd.Dataset(str(path), "dataset", mode="w") as dataset:
        dataset.write_xml_header(header(**header_values))
        noise = ismrmrd.Acquisition.from_array(np.ones(kspace.shape[1:3], np.complex64))
        noise.setFlag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
        dataset.append_acquisition(noise)
        for number, of_slice in enumerate(kspace):
            for line in range(kspace.shape[3]):
                if line in skipped:
                    continue
                acquisition = ismrmrd.Acquisition.from_array(np.ascontiguousarray(of_slice[:, :, line]))
                acquisition.idx.kspace_encode_step_1 = line
                acquisition.idx.slice = number
                acquisition.center_sample = kspace.shape[2] // 2
                dataset.append_acquisition(acquisition)
    return path


def read_ismrmrd(path):
    """K-space of an ISMRMRD file by the package ismrmrd: the slow twin of tune_ks/data/raw/ismrmrd_file.py.

    (slices, coils, ROWS, COLUMNS) of readouts whose centre is the centre of the grid; averages are averaged.
    """
    import ismrmrd

    with ismrmrd.Dataset(str(path), "dataset", mode="r") as dataset:
        readouts = [dataset.read_acquisition(number) for number in range(dataset.number_of_acquisitions())]
    lines = [readout for readout in readouts if not readout.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)]
    slices = 1 + max(line.idx.slice for line in lines)
    kspace = np.zeros((slices, lines[0].active_channels, ROWS, COLUMNS), np.complex64)
    times = np.zeros((slices, COLUMNS), np.int64)
    for line in lines:
        start = ROWS // 2 - line.center_sample
        kspace[line.idx.slice, :, start : start + line.number_of_samples, line.idx.kspace_encode_step_1] += line.data
        times[line.idx.slice, line.idx.kspace_encode_step_1] += 1
    return kspace / np.maximum(times, 1)[:, None, None, :].astype(np.float32)


def write_boxes(root, rows, listed=()):
    """``rows``: (file, slice, study_level, label). A list of the files beside it where ``listed`` names any."""
    lines = ["file,slice,study_level,x,y,width,height,label"]
    for file, number, study_level, label in rows:
        place = ",,," if study_level == "Yes" else ",".join(str(BOX[name]) for name in ("x", "y", "width", "height"))
        lines.append(f"{file},{number},{study_level},{place},{label}")
    (root / "knee.csv").write_text("\n".join(lines) + "\n")
    if listed:
        (root / "knee_file_list.csv").write_text("\n".join(listed) + "\n")


def write_cohort(root, patients=4, slices=4, coils=3):
    """A folder of two makers: a volume a patient, in which every other slice has a finding."""
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    for maker in ("SIEMENS", "GE MEDICAL SYSTEMS"):
        for patient in range(patients):
            name = f"{maker[:2]}_{patient}"
            images = slices_of(patient, slices, range(0, slices, 2))
            kspace = kspace_of(images, coils)
            write_fastmri(root / "multicoil" / f"{name}.h5", kspace, maker=maker, patient=f"SECRET{maker}{patient}")
            rows += [(name, number, "No", "Meniscus Tear") for number in range(0, slices, 2)]
    write_boxes(root, rows)
    return root
