#!/bin/sh
# Collects, on a machine with a network, what `python benchmarks/gpu.py` uses beyond torch, numpy, pandas, scipy,
# scikit-learn and safetensors: MONAI's networks, and what reads DICOM. Nothing of it is needed to start.
#
#   sh benchmarks/wheels.sh FOLDER [VERSION]      for Linux on x86-64 and Python 3.11, or another VERSION
#   there:  python -m pip install --no-index --no-deps FOLDER/*.whl && python benchmarks/gpu.py
set -eu
folder=${1:?where to put the wheels}
version=${2:-3.11}
cd "$(dirname "$0")/.."
for name in monai pydicom python-gdcm openpyxl et-xmlfile; do
    wanted=$(grep -i "^$name==" constraints.txt || echo "$name")
    python -m pip download --quiet --dest "$folder" --no-deps --only-binary :all: \
        --python-version "$version" --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 "$wanted"
done
du -sh "$folder"
