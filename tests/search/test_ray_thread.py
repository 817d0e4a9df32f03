"""Ray's thread: signals reach the main thread in every stage, and Ray that is gone or does not end is given up."""

import os
import signal
import socket
import threading

import pytest

from tune_ks.search import ray_thread
from tune_ks.search.cluster import answers
from tune_ks.search.events import SAME, Halt
from tune_ks.search.ray_thread import RayThread


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name, seconds in (("LOOK_EVERY", 0.01), ("SILENT_HERE", 0.05), ("END_WITHIN", 0.05)):
        monkeypatch.setattr(ray_thread, name, seconds)
    monkeypatch.setattr(ray_thread.auto_init_hook, "enable_auto_connect", True)  # RayThread changes it


@pytest.fixture
def gcs():
    """A port on which something listens; close it, and Ray is gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address(server):
    return f"127.0.0.1:{server.getsockname()[1]}"


def hang():
    threading.Event().wait()


def test_an_address_answers_while_a_process_listens(gcs):
    place = address(gcs)
    assert answers(place)
    gcs.close()
    assert not answers(place)
    assert not answers("no-such-host.invalid:1")


def test_what_the_search_returns_or_raises_reaches_the_main_thread(gcs):
    halt = Halt()
    done = []
    with RayThread(halt, on_cluster=False) as thread:

        def search():
            thread.watch(address(gcs))
            done.append(threading.current_thread())

        thread.run(search)
        assert done[0].is_alive(), "Linux would end Ray's processes with it"
    done[0].join()
    assert done[0] is not threading.main_thread()
    assert not halt.reason
    with pytest.raises(ValueError, match="no trial fits"), RayThread(halt, on_cluster=False) as thread:
        thread.run(lambda: (_ for _ in ()).throw(ValueError("no trial fits")))
    assert ray_thread.auto_init_hook.enable_auto_connect is True


def test_ray_that_is_gone_ends_the_search_with_a_report(gcs):
    said = []
    halt = Halt(said.append)
    shown = []
    with RayThread(halt, on_cluster=False) as thread:
        show = thread.unless_given_up(shown.append)
        show("before")

        def search():
            thread.watch(address(gcs))
            gcs.close()
            hang()

        thread.run(search)
        show("after")
    assert (halt.reason, halt.interrupted) == ("Ray's processes are gone; what is finished is reported", True)
    assert said == ["stopping: Ray's processes are gone; what is finished is reported"]
    assert shown == ["before"]
    assert ray_thread.auto_init_hook.enable_auto_connect is False, "the thread would start Ray anew"


def test_a_cluster_may_be_silent_for_a_moment(gcs):
    with RayThread(Halt(), on_cluster=True) as thread:
        assert thread.silence == ray_thread.SILENT_THERE
        thread.gcs = address(gcs)
        thread.heard = ray_thread.time.monotonic()
        gcs.close()
        assert not thread._is_gone()
        thread.heard -= 2 * ray_thread.SILENT_THERE
        assert thread._is_gone()


def test_a_signal_while_ray_starts_is_heard_and_a_start_that_does_not_end_is_given_up():
    """Before Ray is connected there is no GCS to ask."""
    said = []
    halt = Halt(said.append)
    before = signal.getsignal(signal.SIGTERM)
    with halt.on_signals(), RayThread(halt, on_cluster=False) as thread:

        def start():
            os.kill(os.getpid(), signal.SIGTERM)
            hang()

        thread.run(start)
    assert said[0] == "stopping: SIGTERM came; what is finished is reported, once more stops at once"
    assert said[1].startswith("Ray did not end the search within")
    assert halt.interrupted
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_error_of_ray_after_a_signal_is_no_error_of_the_search():
    said = []
    halt = Halt(said.append)
    with halt.on_signals(), RayThread(halt, on_cluster=False) as thread:

        def start():
            os.kill(os.getpid(), signal.SIGTERM)
            raise RuntimeError("the GCS did not start")

        thread.run(start)
    assert said[1] == "Ray ended with an error (RuntimeError): what is finished is reported without it"


def test_handlers_that_ray_takes_are_taken_back_before_a_trial_runs(gcs):
    halt = Halt()
    with halt.on_signals(), RayThread(halt, on_cluster=False) as thread:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as Ray does below Python

        def search():
            thread.watch(address(gcs))
            os.kill(os.getpid(), signal.SIGTERM)

        thread.run(search)
    assert halt.reason.startswith("SIGTERM came")


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_stops_at_once(second, gcs):
    halt = Halt()
    with halt.on_signals(), RayThread(halt, on_cluster=False) as thread:

        def search():
            thread.watch(address(gcs))
            os.kill(os.getpid(), second)
            while not halt.reason:
                pass
            halt.last_signal = (second, halt.since - 2 * SAME)
            os.kill(os.getpid(), second)
            hang()

        with pytest.raises(KeyboardInterrupt):
            thread.run(search)
    assert thread.given_up


def test_two_sigterms_at_once_are_one_as_timeout_sends_them():
    said = []
    halt = Halt(said.append)
    with halt.on_signals():
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
        assert len(said) == 1
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
