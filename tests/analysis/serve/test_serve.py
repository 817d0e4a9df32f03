"""The live front over real connections: who may ask, what is shown, what is written, and that it follows the run."""

import html
import json
import re
import shutil
import socket
import time

import pytest

from analysis.__main__ import main, parse
from analysis.read.load import RunError
from analysis.results.settings import made_with
from analysis.serve.notes import LARGEST, version_of
from analysis.serve.runs import Runs
from analysis.serve.server import Server, opened
from analysis.serve.site import Site
from served import running
from tune_ks.core.rate_words import rate_words
from tune_ks.core.run_folder import RunFolder

SECOND = "second%20%26%20%3Cb%3E"  # its name in an address
EVIL = "</textarea><script>alert(1)</script>"


def files_of(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def version_in(page):
    return re.search(r'name="version" value="(\w+)"', page)[1]


def test_without_the_token_nothing_is_told(client):
    token = client.token
    for path in ("/", "/run/first", f"/{token}", f"/{token[:-1]}/", f"/x{token}/", f"/x/{token}/", "/%C3%A9/", "*"):
        status, headers, text = client.ask(path)
        assert (status, headers["Content-Type"]) == (403, "text/plain; charset=utf-8"), path
        assert token not in text
        assert "first" not in text
    assert client.get("")[0] == 200
    assert client.ask("/x/notes/first", "POST", b"", Origin=f"http://{client.host}")[0] == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "", None, "[", "10.0.0.1"]
)
def test_another_host_name_is_refused_although_it_leads_here(client, host):
    host = host and host.format(port=client.server.server_port)
    assert client.get("", Host=host)[0] == 403
    assert client.keep("first", "x", "y", Host=host)[0] == 403


def test_the_near_end_of_a_tunnel_is_this_machine(client):
    for host in ("localhost:9000", "127.0.0.1:1234", "[::1]:80", "LOCALHOST"):
        assert client.get("", Host=host)[0] == 200


def test_every_answer_keeps_other_sites_out(client):
    for status, headers, _ in (client.get(""), client.get("nowhere"), client.ask("/"), client.get("", method="PUT")):
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "script-src 'sha256-" in headers["Content-Security-Policy"]
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert headers["Server"] == "tune_ks"
        assert status in (200, 403, 404, 501)


def test_the_server_listens_on_this_machine_alone(client):
    assert client.server.socket.getsockname()[0] == "127.0.0.1"


def test_no_address_leads_out_of_the_folder(client, folder):
    outside = folder.parent / "outside"
    shutil.copytree(folder / "first", outside)
    for name in (
        *("..", "../outside", "..%2Foutside", "%2e%2e%2foutside", "first/../../outside", "a%20link", "no%20run"),
        *("%00", "%ff", "first%2Ftrials", "", "first/", ".", str(outside).replace("/", "%2F")),
    ):
        status, _, text = client.get(f"run/{name}")
        assert status == 404, name
        assert "not to be seen" not in text
        assert client.keep(name, "written", version_of(""))[0] == 404, name
    assert not (outside / "notes.md").exists()
    shutil.rmtree(outside)


def test_a_head_is_a_page_without_its_text(client):
    status, headers, text = client.get("", method="HEAD")
    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) > 1000


def test_the_report_is_the_same_page_and_reading_writes_nothing(client, folder, expected):
    before = files_of(folder)
    assert client.get("run/first")[1].get("Refresh") or client.server.site.runs.get("first").made
    served = client.page("run/first")
    written = expected.report.read_text()
    sections = re.findall(r'<section id="([\w-]+)">', written)
    assert re.findall(r'<section id="([\w-]+)">', served) == [*sections, "Notes"]
    first = re.search(r"<h2>.*?</section>", written, re.DOTALL)[0]
    assert first in served  # the first screen, to the letter
    assert files_of(folder) == before


def test_the_list_has_both_runs_with_what_their_analyses_chose(client, expected):
    client.page("run/first")
    client.page(f"run/{SECOND}")
    page = client.get("")[2]
    rows = re.findall(r"<tr>\n<td class=\"text near\" data-v=\"([^\"]*)\">(.*?)</tr>", page, re.DOTALL)
    assert [html.unescape(name) for name, _ in rows] == ["first", "second & <b>"]
    chosen = expected.vendors["GE"].selection
    for (_, cells), fingerprint in zip(rows, ("0123456789ab", "ba9876543210"), strict=True):
        assert "GE" in cells
        assert rate_words(chosen.rate) in cells
        assert f"{chosen.values['test_in_domain']:.3f}" in cells
        assert f"{chosen.values['test_cross_domain']:.3f}" in cells
        assert f"all {len(expected.run.trials)} trials" in cells
        assert fingerprint in cells


def test_two_runs_are_compared_and_what_speaks_against_it_is_said(client):
    page = client.page(f"compare?run=first&run={SECOND}")
    assert "The cohorts differ (0123456789ab and ba9876543210)" in page
    assert "Both runs are of the same cohort" not in page
    assert 'id="compare-GE"' in page
    assert "Trained on GE" in page
    assert "second &amp; &lt;b&gt;" in page
    assert "second & <b>" not in page
    for query in ("run=first", "run=first&run=first", "run=first&run=nowhere", "", "run=a&run=b&run=c"):
        status, _, text = client.get(f"compare?{query}")
        assert (status, "Pick two different runs" in text) == (400, True)
    assert client.get("compare?" + "&".join(["run=first"] * 9))[0] == 400


def test_a_page_that_waits_says_how_long_it_has_and_what_it_waits_for(folder, monkeypatch):
    runs = Runs(folder, {})
    monkeypatch.setattr(runs, "ask", lambda run: None)
    runs.get("first").begun = time.monotonic() - 12
    answer = Site(runs, "token").get("compare", f"run=first&run={SECOND}")
    assert ("Refresh", "2") in answer.headers
    assert re.search(r"first: 1\d s so far; second &amp; &lt;b&gt;: waits its turn\. ", answer.body.decode())


def test_notes_are_kept_in_the_run_and_shown_as_text(client, folder):
    version = version_in(client.page("run/first"))
    text = f"\n first line {EVIL}\r\n\x1b[31mred & <b>\tü"
    status, headers, _ = client.keep("first", text, version)
    assert (status, headers["Location"]) == (303, f"/{client.token}/run/first#Notes")
    kept = f"\n first line {EVIL}\n[31mred & <b>\tü\n"
    assert (folder / "first" / "notes.md").read_text() == kept
    page = client.get("run/first")[2]
    assert html.unescape(re.search(r"<textarea.*?>\n(.*?)</textarea>", page, re.DOTALL)[1]) == kept
    assert EVIL not in page
    listed = client.get("")[2]
    assert html.escape(f"first line {EVIL}", quote=False) in listed.replace("&#34;", '"')
    assert EVIL not in listed
    status, _, text = client.keep("first", "of an older window", version)
    assert status == 409
    assert "of an older window" in text
    assert (folder / "first" / "notes.md").read_text() == kept
    assert client.keep("first", "of an older window", version_in(text))[0] == 303  # sent again
    assert client.keep("first", " \r\n", version_of("of an older window\n"))[0] == 303
    assert not (folder / "first" / "notes.md").exists()


def test_notes_come_from_a_page_of_this_server_and_have_an_end(client, folder):
    version = version_of("")
    for origin in (None, "null", "http://evil.example", f"https://{client.host}", f"http://{client.host}.evil.example"):
        assert client.keep("first", "x", version, Origin=origin)[0] == 403
    assert client.keep("first", "x", version, Content_Type="text/plain")[0] == 415
    assert client.keep("first", "x", version, Content_Length=None)[0] == 411
    assert client.keep("first", "x", version, Content_Length="-1")[0] == 411
    assert client.keep("first", "x", version, Content_Length=str(10**20))[0] == 413
    status, _, text = client.keep("first", "x" * (LARGEST + 1), version)
    assert (status, f"at most {LARGEST} bytes" in text) == (400, True)
    said = {"Origin": f"http://{client.host}", "Content_Type": "application/x-www-form-urlencoded"}
    for body in (b"", b"text=x", b"text=%ff&version=x", b"\xff", b"a=1&" * 20):
        length = str(len(body))
        answer = client.ask(f"/{client.token}/notes/first", "POST", body, Content_Length=length, **said)
        assert answer[0] == 400, body
    assert not (folder / "first" / "notes.md").exists()


def test_a_link_in_the_place_of_notes_is_neither_read_nor_replaced(client, folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("of somebody else")
    notes = folder / "first" / "notes.md"
    notes.symlink_to(secret)
    try:
        page = client.page("run/first")
        assert "of somebody else" not in page
        assert "is a link" in page
        assert client.keep("first", "x", version_of(""))[0] == 400
        assert notes.is_symlink()
        assert secret.read_text() == "of somebody else"
        assert client.get("")[0] == 200
    finally:
        notes.unlink()


def test_a_page_follows_a_new_record_and_new_notes(small, tmp_path):
    root = shutil.copytree(small, tmp_path / "run")
    folder = RunFolder(root)
    last = folder.keys()[-1]
    moved = shutil.move(folder.trial(last), tmp_path / "kept")
    with running(root) as client:
        status, headers, _ = client.get("")
        assert (status, headers["Location"]) == (303, f"/{client.token}/run/run")
        client.page("run/run")
        before = client.state("?run=run")
        assert before["busy"] is False
        assert client.state("?run=run") == before
        made_first = client.server.site.runs.get("run").made
        client.get("run/run")
        client.server.site.runs.wait()
        assert client.server.site.runs.get("run").made is made_first  # nothing changed, so nothing was made again
        shutil.move(moved, folder.trial(last))
        client.state("?run=run")
        client.server.site.runs.wait()
        after = client.state("?run=run")
        assert after["version"] != before["version"]
        page = client.get("run/run")[2]
        assert f'data-version="{after["version"]}"' in page
        assert f"run: {len(folder.keys())} finished" in page
        (root / "notes.md").write_text("by an editor\n")
        assert client.state("?run=run")["version"] != after["version"]
        (root / "trials" / last / "record.json").write_text("{")
        (root / "search.json").unlink()
        shutil.rmtree(root / "trials")
        client.page("run/run")
        assert "is not a run folder" in client.get("run/run")[2]


def test_a_fault_of_the_analysis_stands_in_place_of_the_page(small, tmp_path, monkeypatch):
    shutil.copytree(small, tmp_path / "runs" / "one")

    def fail(*given):
        raise KeyError("a column")

    monkeypatch.setattr("analysis.serve.runs.computed_with", fail)
    with running(tmp_path / "runs") as client:
        page = client.page("run/one")
        assert "a fault of this program: KeyError" in page
        assert "a fault of this program" in client.get("")[2]
        assert "<textarea" in page


def test_the_settings_are_those_given_or_of_the_last_analysis(small, tmp_path):
    root = shutil.copytree(small, tmp_path / "runs" / "one")
    assert Runs(root.parent, {"rule": "epsilon"}).get("one")._settings() == {}  # the defaults
    kept = made_with({"rule": "cross_domain"}, images=False)
    (root / "selection.json").write_text(json.dumps({"made_with": kept}))
    for settings, are_defaults, images, expected in (
        ({"rule": "epsilon"}, True, True, ("cross_domain", False)),
        ({"rule": "knee"}, False, True, ("knee", True)),
        ({"rule": "knee"}, False, False, ("knee", False)),
    ):
        run = Runs(root.parent, settings, are_defaults, images).get("one")
        kept = dict(run._settings())
        assert (kept["rule"], kept.get("images", True) and run.images) == expected
    assert Runs(root, {"rule": "epsilon"}).get("one").settings == {"rule": "epsilon"}


def test_bad_input_is_one_message_and_code_2(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    for place, words in ((tmp_path / "gone", "does not exist"), (tmp_path / "file", "is a file"), (tmp_path, "nor")):
        assert main([str(place), "--serve"]) == 2
        said = capsys.readouterr()
        assert words in said.err
        assert said.err.count("\n") == 1
        assert said.out == ""
    for words, about in (
        (["--port", "1"], "--serve"),
        (["--serve", "--port", "65536"], "--port: must be a whole number from 0 to 65,535"),
        (["--serve", "--watch"], "--serve"),
        (["--serve", "--figures"], "--serve"),
    ):
        with pytest.raises(SystemExit) as stopped:
            parse([str(tmp_path), *words])
        assert stopped.value.code == 2
        said = capsys.readouterr().err
        assert about in said
        assert said.count("\n") == 1
    with pytest.raises(RunError, match="several"):
        Runs(tmp_path, {})


def test_a_port_in_use_gives_the_next_and_ctrl_c_ends_with_0(folder, capsys, monkeypatch):
    def interrupt(server):
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", interrupt)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main([str(folder), "--serve", "--port", str(port)]) == 0
    said = capsys.readouterr().out
    (other,) = re.findall(r"http://127\.0\.0\.1:(\d+)/[\w-]{32}/", said)
    assert int(other) > port
    assert f"port {port} is in use" in said
    assert said.endswith("stopped\n")


def test_tokens_are_new_each_time_and_no_port_left_is_a_message(folder, monkeypatch):
    runs = Runs(folder, {})
    monkeypatch.setattr("analysis.serve.server.PORTS", 1)
    with opened(runs, 0) as one, opened(runs, 0) as other:
        assert one.token != other.token
        assert one.server_port != other.server_port
        with pytest.raises(OSError, match="try another --port"):
            opened(runs, one.server_port)
