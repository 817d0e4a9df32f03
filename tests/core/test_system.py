"""What systems lack: one file asks for it, and the whole way from files to a report goes without it."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tune_ks.core import file_locks, system
from warm import Warm

ROOT = Path(__file__).parents[2]
PLACE = "tune_ks/core/system.py"
MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "msvcrt", "winreg", "winsound"}
OF_OS = {
    *("sched_getaffinity", "sched_setaffinity", "cpu_count", "getuid", "geteuid", "getgid", "getpgid", "setpgid"),
    *("setsid", "killpg", "fork", "forkpty", "nice", "pread", "pwrite", "posix_fadvise", "sysconf", "uname", "chown"),
    *("mkfifo", "mknod", "getloadavg", "wait3", "wait4", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY"),
}
OF_SIGNAL = {"SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGCHLD", "alarm", "setitimer", "pause"}
PATHS = ("/dev/", "/proc/", "/sys/")
ALLOWED = {"tune_ks/search/local_start.py": {"/dev/shm"}}  # one of several places for Ray's folder, if it is there


def asked_of_the_system(tree):
    """What a file asks for that not every system has."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from MODULES & {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.module in MODULES:
                yield node.module
            elif node.module in ("os", "signal"):
                yield from (OF_OS | OF_SIGNAL) & {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in {"os": OF_OS, "signal": OF_SIGNAL}.get(node.value.id, ()):
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(PATHS):
            yield node.value


def test_one_file_asks_the_system():
    met = {}
    for path in [ROOT / "run_search.py", *(ROOT / "tune_ks").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")]:
        name = path.relative_to(ROOT).as_posix()
        found = set(asked_of_the_system(ast.parse(path.read_text()))) - ALLOWED.get(name, set())
        if found:
            met[name] = found
    assert met.pop(PLACE) >= {"resource", "os.cpu_count", "os.sched_getaffinity", "os.getuid"}
    assert not met


def test_cores_are_those_of_the_process_or_else_of_the_machine(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    assert system.usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    for count, cores in ((5, 5), (None, 1)):  # None: the system does not say it
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert system.usable_cores() == system.machine_cores() == cores


@pytest.mark.parametrize(("platform", "ru_maxrss"), [("linux", 300 * 1024), ("darwin", 300 * 2**20)])
def test_peak_memory_is_in_mib_whatever_the_system_counts_in(platform, ru_maxrss, monkeypatch, tmp_path):
    monkeypatch.setattr(system, "STATUS", tmp_path / "none")
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(system.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=ru_maxrss))
    assert system.peak_memory_mib() == 300


def test_peak_memory_of_a_process_holds_what_it_has_touched():
    """In a process of its own, whose peak is not that of this one, which may have held gigabytes."""
    lines = "from tune_ks.core import system; print(system.peak_memory_mib())"
    program = f"{lines}; touched = b'1' * 2**28; print(system.peak_memory_mib())"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = map(float, ended.stdout.split())
    assert 0 < before < 256 <= after < before + 300


def test_a_locked_file_is_free_when_it_is_closed_and_none_can_lock_where_there_are_no_locks(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    with open(path, "w") as first, open(path, "r+") as second:
        assert file_locks.lock_file(first.fileno()) is True
        assert file_locks.lock_file(second.fileno()) is False
    with open(path, "r+") as third:
        assert file_locks.lock_file(third.fileno()) is True

    def fails(descriptor, blocking=True):
        raise OSError("no locks here")

    monkeypatch.setattr(file_locks, "lock_descriptor", fails)
    with open(path, "r+") as file:
        assert file_locks.lock_file(file.fileno()) is None
    with file_locks.one_process_at_a_time(path):
        pass  # it comes in


def test_what_is_written_at_the_start_is_all_that_a_file_holds(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a long content")
    descriptor = os.open(path, os.O_RDWR)
    system.write_at_start(descriptor, b"short")
    system.write_at_start(descriptor, b"shorter")
    os.close(descriptor)
    assert path.read_bytes() == b"shorter"


def test_a_folder_is_private_unless_others_may_enter(tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    assert system.is_private(tmp_path)
    tmp_path.chmod(0o750)
    assert not system.is_private(tmp_path)
    monkeypatch.delattr(os, "getuid")
    assert system.is_private(tmp_path)
    assert system.user_name_of_files() == ""


WITHOUT = """
import builtins, errno, os, sys
assert not {"tune_ks", "analysis", "filelock"} & set(sys.modules)
import_module = builtins.__import__

def without(name, globals=None, *args, **named):  # as on Windows, where other packages have other files than here
    importer = (globals or {}).get("__name__", "").partition(".")[0]
    if name in ("fcntl", "resource") and importer in ("tune_ks", "analysis", "filelock"):
        raise ImportError(name)
    return import_module(name, globals, *args, **named)

builtins.__import__ = without
for name in ("sched_getaffinity", "getuid", "pwrite", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"):
    delattr(os, name)
import signal
del signal.SIGHUP
import _multiprocessing

class NoSemaphores:  # as where there is no /dev/shm
    def __init__(self, *args, **named):
        raise OSError(errno.ENOSYS, "Function not implemented")

_multiprocessing.SemLock = NoSemaphores
"""
ALL_THE_WAY = """
import importlib, pkgutil
from pathlib import Path

import analysis, tune_ks
from benchmarks.alone import run_config
from tune_ks.core import system
from tune_ks.core.config import TrialConfig
from tune_ks.core.lock import driver_lock
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.phantom.write import PhantomSettings, write_phantom
from tune_ks.planning.start_run import create_run
from tune_ks.planning.space import load_space

system.STATUS = Path("nowhere")  # there is no /proc
met = 0
for package in (tune_ks, analysis):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.startswith(("tune_ks.search", "tune_ks.worker")) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            met += 1
assert met > 150, met
data = write_phantom(Path("phantom"), PhantomSettings(patients=5, slices=4, matrix=64), workers=2)
cohort = open_cohort(data, CohortSettings(series="post_1"), 64, Path("cache"), require_vendors=2)
folder = RunFolder("run")
with driver_lock(folder.root, print, print):
    create_run(folder, load_space("space.py"), cohort, 0, "command", synthetic=True)
    for vendor in ("GE", "SIEMENS"):
        config = TrialConfig(vendor, 1.0, mask="lowpass", width=0.05, image_size=64, epochs=1)
        run_config(config, folder, cohort.images)
records = list(folder.records())
assert [record.facts["peak_mib"] for record in records] == [None, None]
found = analysis.analyse("run", images=False)
assert len(found.configurations) == 2
assert found.report.exists()
print("all the way")
"""


def test_without_all_of_it_a_phantom_is_written_decoded_trained_on_and_analysed(tmp_path):
    (tmp_path / "space.py").write_text('SPACE = {"mask": "lowpass", "sampling_rate": 1.0, "image_size": 64}')
    (tmp_path / "all_the_way.py").write_text(WITHOUT + ALL_THE_WAY)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests"))), "OMP_NUM_THREADS": "1"}
    # other packages may be imported before: what they ask of the system is not looked at
    process = Warm([tmp_path / "all_the_way.py"], env=environment, cwd=tmp_path)
    said, _ = process.communicate(timeout=500)
    assert process.returncode == 0, said
    assert said.endswith("all the way\n")


def test_ignored_signals_stay_ignored_and_one_that_there_is_not_is_left_out():
    before = signal.getsignal(signal.SIGTERM)
    try:
        system.ignore_signals(signal.SIGTERM, None)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
