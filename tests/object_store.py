"""A real object store on this machine: SeaweedFS, a single program from a wheel, on free ports of 127.0.0.1."""

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from pyarrow.fs import FileSystem

BUCKET = "bucket"
KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}


def program():
    """The server's program, or None where it is not installed."""
    return shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def free_ports(count):
    """Ports that are free with the ones 10,000 above them, where the server puts its own protocol."""
    ports = []
    while len(ports) < count:
        port = random.randrange(20000, 50000)
        try:
            for number in (port, port + 10000):
                with socket.socket() as tried:
                    tried.bind(("127.0.0.1", number))
        except OSError:
            continue
        ports.append(port)
    return ports


@contextmanager
def object_store(folder):
    """Serves s3://BUCKET from ``folder``; yields the options of its URLs. Credentials go into the environment."""
    master, volume, filer, s3 = free_ports(4)
    options = f"endpoint_override=127.0.0.1:{s3}&scheme=http&region=us-east-1"
    words = [program(), "server", "-dir", folder, "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1"]
    words += ["-master.port", master, "-master.volumeSizeLimitMB", 64, "-master.telemetry=false"]
    words += ["-volume.port", volume, "-volume.max", 8, "-filer", "-filer.port", filer, "-s3", "-s3.port", s3]
    words += ["-s3.port.iceberg", 0, "-s3.port.lance", 0]  # not served
    before = {name: os.environ.get(name) for name in KEYS}
    os.environ.update(KEYS)
    with open(Path(folder) / "log.txt", "w") as log:
        server = subprocess.Popen(list(map(str, words)), stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 500
        while True:
            try:
                store = FileSystem.from_uri(f"s3://{BUCKET}?{options}&allow_bucket_creation=true")[0]
                store.create_dir(BUCKET)
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((Path(folder) / "log.txt").read_text()) from None
                time.sleep(0.2)
        yield options
    finally:
        server.kill()  # nothing here is kept, and a graceful end takes it half a minute
        server.wait()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
