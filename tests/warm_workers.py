"""Workers of Ray that are forked from a warm process (tests/warm.py), which saves each the import of torch and others.

``serve_workers`` starts the process that forks them. Where lean_ray.fork_workers has said so, Ray runs this file in
place of its own setup_worker.py: it asks that process for the worker, and ends when the worker has.
"""

import argparse
import atexit
import functools
import json
import os
import signal
import socket
import sys
import tempfile
from multiprocessing import connection, parent_process
from typing import Any

from lean_ray import SOCKET


@functools.cache
def serve_workers() -> None:
    """From now on workers of Ray are forked, those of this process and of the processes that it starts."""
    from warm import CONTEXT

    folder = tempfile.TemporaryDirectory()
    path = os.path.join(folder.name, "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    process = CONTEXT.Process(target=_serve, args=(listener,))
    process.start()
    atexit.register(process.kill)
    atexit.register(folder.cleanup)
    os.environ[SOCKET] = path


def _serve(listener: socket.socket) -> None:
    """Fork a worker for each that asks, until the process of the tests has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a worker: Ray looks after it
    of_tests = parent_process().sentinel
    while of_tests not in connection.wait([listener, of_tests]):
        asking, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _become_worker(asking)
        asking.close()


def _become_worker(asking: socket.socket) -> None:
    """The worker holds ``asking``, so the other side sees when it ends."""
    from warm import run_script

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        with asking.makefile() as file:
            asked = json.loads(file.readline())
        # in a process group of its own, as Ray starts it: Ray kills the group of a worker that has ended
        run_script(*asked, start_new_session=True)
    finally:
        os._exit(0)


def _ask(words: list[str]) -> None:
    """What Ray starts: it has the worker forked with these ``words``, and ends when that has ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serialized-runtime-env-context", default="{}")
    parser.add_argument("--language")
    asked, script_and_words = parser.parse_known_args(words)
    context: dict[str, Any] = json.loads(asked.serialized_runtime_env_context)
    assert not context.get("command_prefix"), "no test asks Ray for an environment of other programs"
    for name, value in context.get("env_vars", {}).items():
        os.environ[name] = os.path.expandvars(value)  # as Ray does
    outputs = [os.readlink(f"/proc/self/fd/{number}") for number in (1, 2)]
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ[SOCKET])
        server.sendall(f"{json.dumps([script_and_words, dict(os.environ), os.getcwd(), outputs])}\n".encode())
        server.recv(1)


if __name__ == "__main__":
    _ask(sys.argv[1:])
