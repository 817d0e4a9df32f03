"""Scripts in processes of their own which need not import the large packages: they are forked from one that has.

A process that imports torch and the others takes 2 s of a CPU for that, and the tests start a hundred. Here Python's
fork server imports them once. Everything else is as in a process that was started anew: its script, words, environment,
folder, signals, exit code and output. Ray is not imported beforehand: it reads its settings from the environment then.
"""

import atexit
import contextlib
import gc
import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

PYTHON = (sys.prefix, sys.base_prefix)
LARGE = ["torch", "pandas", "pyarrow", "scipy.stats", "sklearn.gaussian_process"]
# 0.9 s more of CPU in a process that uses all of them: the second line is what Ray imports
SMALLER = ["pydicom", "openpyxl", "optuna.importance", "plotly.graph_objects", "jinja2", "kneed", "moocore"]
SMALLER += ["pydantic.dataclasses", "jsonschema", "yaml", "fsspec", "pyarrow.fs", "pyarrow.parquet", "rich.layout"]
SMALLER += ["google.protobuf.json_format", "safetensors.torch"]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([*LARGE, *SMALLER])


class Warm:
    """A process that runs a script; it is used as a subprocess.Popen whose output goes to files.

    words: the script and its words. output: a file for all that it says; without it, communicate() returns that.
    """

    def __init__(self, words, *, env, cwd=None, output=None, errors=None, start_new_session=False):
        self.args = [str(word) for word in words]
        self._folder = tempfile.TemporaryDirectory()
        self._output = Path(output or Path(self._folder.name, "output"))
        self._errors = Path(errors) if errors else self._output
        self._output.touch()
        places = (str(self._output.absolute()), str(self._errors.absolute()))
        options = (dict(env), str(cwd or Path.cwd()), places, start_new_session)
        # the fork server reads the number of threads when it starts, which is with the first of these processes
        with variable("OMP_NUM_THREADS", "1"):
            self._process = CONTEXT.Process(target=run_script, args=(self.args, *options))
            self._process.start()
        self.pid = self._process.pid
        atexit.register(self.end)  # at exit Python would wait for it

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self.returncode

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def communicate(self, timeout=None):
        """(what it said, what it said on stderr if that has a file of its own) when it has ended."""
        self.wait(timeout)
        said = self._output.read_text()
        return said, None if self._errors == self._output else self._errors.read_text()

    def end(self):
        if self.poll() is None:
            self.kill()

    def send_signal(self, number):
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it may end just now; Popen says nothing either
                os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def terminate(self):
        self.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def variable(name, value):
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def run_script(words, env, folder, places, start_new_session):
    """What the forked process does: it becomes what ``python script words`` would be, and ends as that would."""
    gc.freeze()  # the collector would look through all that was imported, and so copy the memory shared with the server
    if start_new_session:
        os.setsid()
    for number, place in zip((1, 2), places, strict=True):
        os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = words
    of_python = [place for place in sys.path if not place.startswith("/") or place.startswith(PYTHON)]
    sys.path[:] = [str(Path(words[0]).parent), *filter(None, env.get("PYTHONPATH", "").split(os.pathsep)), *of_python]
    sys.modules.pop("sitecustomize", None)
    with contextlib.suppress(ImportError):
        importlib.import_module("sitecustomize")  # as Python does when it starts
    try:
        runpy.run_path(words[0], run_name="__main__")
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
