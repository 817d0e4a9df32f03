"""A server of the live front in this process on a free port, and requests to it."""

import http.client
import json
import threading
from contextlib import contextmanager
from urllib.parse import urlencode

from analysis.serve.runs import Runs
from analysis.serve.server import FORM, opened


class Client:
    """Requests to a server as a program sends them: what is not asked for here is not sent."""

    def __init__(self, server):
        self.server = server
        self.token = server.token
        self.host = f"127.0.0.1:{server.server_port}"

    def ask(self, path, method="GET", body=None, **headers):
        """(status, headers, text) of a path below the root of the host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=600)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": self.host, **headers}.items():
            if value is not None:
                connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text

    def get(self, path, **headers):
        """The same of a path below the token."""
        return self.ask(f"/{self.token}/{path}", **headers)

    def page(self, path):
        """The page of a run, a list or a comparison, when its analyses are made."""
        self.get(path)
        self.server.site.runs.wait()
        status, _, text = self.get(path)
        assert status == 200
        return text

    def state(self, query=""):
        return json.loads(self.get(f"state{query}")[2])

    def keep(self, name, text, version, **headers):
        """Send the form of the notes as a browser does."""
        body = urlencode({"text": text, "version": version}).encode()
        said = {"Origin": f"http://{self.host}", "Content_Type": FORM, "Content_Length": str(len(body))}
        return self.ask(f"/{self.token}/notes/{name}", "POST", body, **{**said, **headers})


@contextmanager
def running(place, settings=None, **options):
    """A client of a server that runs in a thread of this process."""
    server = opened(Runs(place, settings or {}, **options), 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Client(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
