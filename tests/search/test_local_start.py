"""Ray on this machine: who can reach it, where its files lie, and one message for every way in which it fails."""

import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
import ray
from ray._private import node as ray_node
from ray.air._internal import usage

# isort: split
import psutil  # Ray's own copy, which can be imported after it

from tune_ks.search import cluster, lean_ray, local_start
from tune_ks.search.cluster import ClusterAddress, connected
from tune_ks.search.local_start import folder_of_ray, require_token_file, short_place, why_not_started
from tune_ks.search.resources import Resources, wanted_address

LONG = "/" + "long/" * 30
WITHOUT_TOKEN = """
import sys
from ray._raylet import GcsClient
try:
    print("let in", GcsClient(address=sys.argv[1]).get_all_node_info(timeout=20))
except Exception as error:
    print(type(error).__name__, error)
"""


def node():
    return ray._private.worker._global_node


@pytest.mark.usefixtures("local_ray")
def test_a_worker_is_forked_from_a_warm_process_and_is_one_of_its_own():
    """As warm_workers.py says of all tests; Ray finds it by its process, and kills it with its group."""

    @ray.remote(num_cpus=0)
    def about():
        return os.getpid(), os.getpgid(0), psutil.Process().parent().cmdline()

    process, group, parent = ray.get(about.remote())
    assert process == group != os.getpgid(0)
    assert "multiprocessing.forkserver" in " ".join(parent)


@pytest.mark.usefixtures("local_ray")
def test_nobody_else_reaches_ray_on_this_machine():
    """Its sockets listen on loopback, a client without the token is refused, and its files lie in a closed folder."""

    @ray.remote(num_cpus=0)
    def mode():
        return os.environ["RAY_AUTH_MODE"]

    assert ray.get(mode.remote()) == "token"
    assert cluster.asks_for_token(node().gcs_address)
    met = []
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        listening = [known for known in process.net_connections("inet") if known.status == psutil.CONN_LISTEN]
        met += [(process.name(), socket_.laddr.ip.removeprefix("::ffff:")) for socket_ in listening]
    assert len(met) >= 4
    assert {"gcs_server", "raylet"} <= {name for name, _ in met}
    assert {address for _, address in met} == {"127.0.0.1"}
    programs = {Path(word).name for child in psutil.Process().children() for word in child.cmdline()[:4]}
    assert "raylet" in programs
    assert not programs & {"dashboard.py", "log_monitor.py", "monitor.py"}  # not needed, and slow to start

    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    words = [sys.executable, "-c", WITHOUT_TOKEN, node().gcs_address]
    ended = subprocess.run(
        words, env=environment | {"RAY_AUTH_MODE": "disabled"}, capture_output=True, text=True, timeout=300
    )
    assert "let in" not in ended.stdout
    assert "InvalidAuthToken" in ended.stdout + ended.stderr

    if not (os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")):
        assert stat.S_IMODE((Path.home() / ".ray/auth_token").stat().st_mode) == 0o600
    session = Path(node().get_session_dir_path())
    closed = session.parents[1]
    assert closed.name.startswith("tune_ks_")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    name = os.path.relpath(node().plasma_store_socket_name, closed.parent)
    assert len(name) + 1 <= len(local_start.BELOW), "room for the longest name of a socket is kept"
    assert len(session.name) <= len(local_start.BELOW.split("/")[3])


def test_its_folder_has_a_short_path_is_closed_and_goes_at_the_end(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", LONG)
    with folder_of_ray() as folder:
        assert Path(folder).parent.parent == Path("/tmp")
        assert stat.S_IMODE(Path(folder).parent.stat().st_mode) == 0o700
        (Path(folder) / "session/sockets").mkdir(parents=True)
        room = Path(folder).parent.parent / local_start.BELOW.lstrip("/")
        assert len(os.fsencode(room)) <= local_start.LONGEST_SOCKET
    assert not Path(folder).parent.exists()
    monkeypatch.setattr(local_start, "PLACES", ("/absent",))
    with pytest.raises(ValueError, match=r"at most \d+ letters.*/long/.*Set TMPDIR or RAY_TMPDIR to one"):
        short_place()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with folder_of_ray() as folder:
        assert folder is None, "the user wants Ray's files there"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_token_is_written_for_this_user_alone_and_an_open_one_is_closed(home):
    path = home / ".ray/auth_token"
    umask = os.umask(0)
    try:
        require_token_file()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        token = path.read_text()
        assert len(token) == 64
        path.chmod(0o644)  # as Ray writes it
        require_token_file()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == token, "it may be the token of a cluster"
    local_start._write_token(path)
    assert path.read_text() == token, "another search was faster"
    assert list(path.parent.iterdir()) == [path]
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_where_no_token_can_be_written_it_has_no_file(home, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "mine"))
    require_token_file()
    assert list(home.iterdir()) == [], "the user's own token is used"
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")  # so that it is put back after the test
    (home / ".ray").touch()
    require_token_file()
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64


FAULTS = [
    (
        Exception("The current node timed out during startup. This could happen because some\nof the raylet"),
        "The current node timed out during startup. This could happen because some (on a busy machine the same command",
    ),
    (Exception(), "Ray did not start on this machine: Exception (on a busy"),
    (RuntimeError("Timed out waiting for file /tmp/x"), "Timed out waiting for file /tmp/x (on a busy machine"),
    (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), "'/tmp/x' (is there room"),
    (
        OSError("AF_UNIX path length cannot exceed 107 bytes"),
        "RAY_TMPDIR=/long is too long for the sockets in it",
    ),
    (
        PermissionError(errno.EACCES, "Permission denied", "/tmp/ray"),
        "(RAY_TMPDIR=/long may hold files of another user",
    ),
]


@pytest.mark.parametrize(("error", "said"), FAULTS)
def test_a_ray_that_does_not_start_is_one_message_and_leaves_no_folder(monkeypatch, home, error, said):
    made = []

    def fail(address, _temp_dir, **options):
        made.append(_temp_dir)
        raise error

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    with pytest.raises(ValueError, match="Ray did not start on this machine") as raised, connected(None):
        pytest.fail("nothing is connected")
    assert "\n" not in str(raised.value)
    assert not Path(made[0]).parent.exists()
    if "RAY_TMPDIR=/long" not in said:
        assert said in str(raised.value)
    monkeypatch.setenv("RAY_TMPDIR", "/long")
    assert said.partition(" (on a")[0] in why_not_started(error)


# ------------------------------------------------------------------------------------------------ a cluster


@pytest.mark.parametrize(
    ("given", "variable", "address"),
    [
        (None, None, None),
        (None, "", None),
        (None, "10.0.0.1:6379", "10.0.0.1:6379"),
        ("auto", "10.0.0.1:6379", "auto"),
        ("local", "10.0.0.1:6379", None),
        (None, "local", None),
    ],
)
def test_the_address_is_the_given_one_or_ray_address(monkeypatch, given, variable, address):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if variable is not None:
        monkeypatch.setenv("RAY_ADDRESS", variable)
    assert wanted_address(given) == address


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """No Ray is connected, none may be started, and no cluster is known but by what a test sets."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("Ray would look for minutes"))
    monkeypatch.setattr(cluster, "use_token_as", lambda cluster: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    return monkeypatch


def refused(address):
    with pytest.raises(ValueError) as error, connected(address):
        pytest.fail("nothing is connected")
    return str(error.value)


def test_who_named_an_address_where_nobody_answers_is_said(alone, tmp_path):
    way_out = ": start one with `ray start --head`, or give --address local to search on this machine"
    assert refused("127.0.0.1:1") == f"no Ray cluster answers at 127.0.0.1:1{way_out}"
    (tmp_path / "ray").mkdir()
    file = tmp_path / "ray/ray_current_cluster"
    file.write_text("127.0.0.1:2\n")
    assert refused("auto") == f"no Ray cluster answers at 127.0.0.1:2, which {file} says{way_out}"
    alone.setenv("RAY_ADDRESS", "127.0.0.1:3")
    for address in ("auto", wanted_address(None)):
        assert refused(address) == f"no Ray cluster answers at 127.0.0.1:3, which RAY_ADDRESS says{way_out}"
    alone.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(ValueError, match="got ray://head:10001 from RAY_ADDRESS: a search reads its data"):
        Resources(address=wanted_address(None))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionError("Failed to connect"), "does not let this program in: it is no Ray cluster, or one of another"),
        (RuntimeError("Version mismatch"), "cannot be used: Version mismatch"),
        (ray.exceptions.AuthenticationError("no authentication token was found"), "no authentication token was found"),
        (Exception("No node info found"), "cannot be used: No node info found"),
    ],
)
def test_what_answers_and_is_of_no_use_is_one_message(alone, error, said):
    def fail(**options):
        raise error

    alone.setattr(ray, "init", fail)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert said in refused(f"127.0.0.1:{server.getsockname()[1]}")


@pytest.mark.parametrize(
    ("mode", "shown"), [("token", True), ("", False), ("disabled", False), (psutil.AccessDenied, True), (None, True)]
)
def test_the_token_is_shown_unless_the_cluster_asks_for_none(monkeypatch, mode, shown):
    """A driver with a token and a cluster without one do not understand each other, nor the other way round."""
    enabled = []

    class Process:
        info: ClassVar = {"name": "raylet", "cmdline": ["raylet", "--gcs-address=10.0.0.1:6379"]}

        def environ(self):
            if mode is psutil.AccessDenied:
                raise psutil.AccessDenied
            return {"RAY_AUTH_MODE": mode} if mode else {}

    processes = [] if mode is None else [Process()]
    monkeypatch.setattr(psutil, "process_iter", lambda names: iter(processes))
    setup = cluster.authentication_token_setup
    monkeypatch.setattr(setup, "maybe_enable_token_auth_if_token_available", lambda **_: enabled.append(1))
    cluster.use_token_as(ClusterAddress("head.example.org:6379"))
    assert bool(enabled) == shown
    assert cluster.asks_for_token("head.example.org:637") is None, "another port"


def test_the_front_door_says_it_in_one_line(alone, tmp_path, capsys):
    """Ray's fault comes after the data were read and before anything is trained: exit code 2, and no traceback."""
    from dicom_files import write_table_cohort
    from front_door import SPACE, inside

    def fail(address, **options):
        raise Exception("The current node timed out during startup.")

    alone.setattr(ray, "init", fail)
    alone.setenv("HOME", str(tmp_path))
    write_table_cohort(tmp_path / "data", patients=6, side=64)
    (tmp_path / "space.py").write_text(SPACE)
    ended = inside("--data", "data", "--space", "space.py", "--run", "run", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: Ray did not start on this machine: The current node timed out")
    assert ended.stderr.count("\n") == 1


def test_ray_still_asks_whether_sigterm_is_left_to_the_driver():
    name = b"RAY_DISABLE_FAILURE_SIGNAL_HANDLER"  # a private name: one that Ray no longer reads would be set in vain
    assert name in Path(ray._raylet.__file__).read_bytes()


def test_ray_is_left_as_it_was_after_a_lean_start():
    # AttributeError: this Ray names one otherwise
    methods = [getattr(ray_node.Node, name) for name in lean_ray.PROCESSES]
    counting = usage.tag_callbacks
    with lean_ray.fewer_processes(), lean_ray.callbacks_uncounted():
        assert ray_node.Node.start_monitor(None) is None
        assert usage.tag_callbacks([object()]) is None
    assert [getattr(ray_node.Node, name) for name in lean_ray.PROCESSES] == methods
    assert usage.tag_callbacks is counting


def test_a_ray_that_names_a_process_otherwise_starts_it(monkeypatch):
    monkeypatch.setattr(lean_ray, "PROCESSES", ("start_of_another_version",))
    with lean_ray.fewer_processes():
        assert not hasattr(ray_node.Node, "start_of_another_version")
