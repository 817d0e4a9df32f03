"""The first question to a store: what is waited for is said, and where there is no answer one message ends it."""

import socket
import threading

import pytest

import run_search
from analysis.__main__ import main as analysis_main
from object_store import KEYS
from tune_ks.core import first_answer
from tune_ks.core.first_answer import require_answer
from tune_ks.core.object_path import ObjectPath
from tune_ks.core.storage import storage_path

URL = "gs://bucket/run"


@pytest.fixture(autouse=True)
def in_haste(monkeypatch):
    """Limits of a test, and no store that has answered before."""
    monkeypatch.setattr(first_answer, "SILENCE", 0.05)
    monkeypatch.setattr(first_answer, "LIMIT", 0.2)
    monkeypatch.setattr(first_answer, "_ANSWERED", set())


@pytest.fixture
def silent(monkeypatch):
    """A store that answers nothing until the test ends."""
    ended = threading.Event()
    monkeypatch.setattr(ObjectPath, "ask_once", lambda self: ended.wait(60))
    yield
    ended.set()


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(
    "words",
    [
        ["--run", URL],
        ["--run", "runs/new", "--init-from", URL],
        ["evaluate", URL, "--data", "nowhere"],
        ["predict", URL, "--data", "nowhere"],
        ["export", URL, "--into", "new"],
        ["tune", "--run", URL, "--minutes", "1"],
        ["merge", "runs/one", URL, "--into", "runs/both"],
        ["analyse", URL],
    ],
    ids=lambda words: words[0],
)
def test_every_command_ends_with_one_message_where_its_store_is_silent(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_search.main(words) == 2
    said = capsys.readouterr()
    assert said.err.splitlines()[0] == f"waiting for {URL} to answer, 0.2 s at most"
    assert said.err.splitlines()[1].startswith(f"error: {URL} cannot be reached: no answer within 0.2 s")
    assert len(said.err.splitlines()) == 2
    assert list(tmp_path.iterdir()) == [], "it was asked after something was written"


def test_what_the_store_says_is_said(capsys, monkeypatch):
    def refuse(path):
        raise OSError("ACCESS_DENIED" + 1000 * ".")

    monkeypatch.setattr(ObjectPath, "ask_once", refuse)
    assert analysis_main([URL]) == 2
    said = capsys.readouterr().err
    assert "cannot be reached: ACCESS_DENIED..." in said
    assert "are there credentials" in said
    assert len(said) < 800
    assert "waiting" not in said


def test_a_store_that_has_answered_is_not_asked_again(monkeypatch):
    asked = []
    monkeypatch.setattr(ObjectPath, "ask_once", lambda path: asked.append(path))
    for url in (URL, f"{URL}/trials", "gs://other/run", URL):
        require_answer(storage_path(url))
    assert list(map(str, asked)) == [URL, "gs://other/run"]


def test_the_first_question_is_tried_three_times(monkeypatch):
    """pyarrow alone tries ten times, which takes 100 seconds where a store is silent. Here it hangs up at once."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                calls.append(connection.recv(1))
                connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        port = server.getsockname()[1]
        url = f"s3://bucket/run?region=us-east-1&scheme=http&endpoint_override=127.0.0.1:{port}"
        with pytest.raises(OSError, match="NETWORK_CONNECTION"):
            storage_path(url).ask_once()
        server.shutdown(socket.SHUT_RDWR)
    assert len(calls) == 3
