"""The layout of a wheel: all in the package tune_ks. pyproject.toml says everything else.

The repository has run_search.py, analysis/ and search_spaces/ at its top; a wheel has them in tune_ks/_front/, which
only tune_ks/core/front.py knows.
"""

from setuptools import find_packages, setup

FRONT = "tune_ks._front"

inside = find_packages(include=["tune_ks", "tune_ks.*"])
at_the_top = find_packages(include=["analysis", "analysis.*", "search_spaces"])

setup(
    script_name="setup.py",  # which is no module of the package in "."
    packages=[*inside, FRONT, *[f"{FRONT}.{name}" for name in at_the_top]],
    package_dir={FRONT: "."},  # of a package of one file, run_search.py
    package_data={"tune_ks": ["py.typed"], f"{FRONT}.analysis.report": ["assets/*", "templates/*"]},
    include_package_data=False,
)
