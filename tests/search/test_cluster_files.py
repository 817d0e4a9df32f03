"""The files of examples/cluster are what Slurm, KubeRay and Ray accept, and their commands are ones that we accept."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml

from faults import wait_for
from tune_ks.commands.arguments import search_parser
from tune_ks.commands.search import resources_of
from tune_ks.core.storage import storage_path
from tune_ks.planning.space import load_space

ROOT = Path(__file__).parents[2]
FILES = ROOT / "examples/cluster"
# of sbatch, as its manual names them; the ones that take a value
SBATCH = [
    "job-name",
    "nodes",
    "ntasks-per-node",
    "cpus-per-task",
    "gpus-per-node",
    "mem",
    "time",
    "signal",
    "open-mode",
    "output",
]
TOOLS = {  # what the script calls of Slurm and Ray, played by one machine
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"',
    "scontrol": '[ "$1" = requeue ] && echo "$@" >> "$PLACE/called"; echo localhost',
    "ray": 'echo ray "$@" >> "$PLACE/called"; [ "$1" = get-auth-token ] || exec python3 -c "$LISTEN" "$@"',
}
LISTEN = """
import re, socket, sys, time
server = socket.create_server(("127.0.0.1", int(re.search(r"--port=(\\d+)", " ".join(sys.argv))[1])))
time.sleep(600)
"""
SEARCH = """
import signal, sys, time
if sys.argv[1:2] == ["-"]:
    sys.exit()
print(*sys.argv[1:], file=open("called", "a"))
signal.signal(signal.SIGTERM, lambda *_: (print("saved", file=open("called", "a")), sys.exit(130)))
open("running", "w").close()
time.sleep(600)
"""


def commands(text):
    """Every call of run_search.py in a file, as its arguments; lines that a backslash folds are one."""
    text = re.sub(r"\\\n\s*#?\s*", " ", text)
    for line in re.findall(r"run_search\.py (--[^\n&']*)", text):
        yield shlex.split(line)


def test_every_command_in_the_files_and_the_page_is_accepted():
    met = 0
    for path in (*FILES.iterdir(), ROOT / "docs/cluster.md"):
        text = path.read_text()
        if path.name == "rayjob.yaml":
            text = yaml.safe_load(text)["spec"]["entrypoint"]
        for words in commands(text):
            args = search_parser().parse_args(words)
            resources_of(args)
            load_space(args.space)
            storage_path(args.run)
            met += 1
    assert met >= 5


def test_the_slurm_script_is_one():
    script = FILES / "slurm.sh"
    assert subprocess.run(["bash", "-n", script], capture_output=True, text=True).stderr == ""
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/bin/bash"
    directives = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    first_command = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    assert all(not line.startswith("#SBATCH") for line in lines[first_command:]), "Slurm stops reading there"
    given = dict(re.fullmatch(r"--([a-z-]+)(?:=(\S+))?", directive).groups() for directive in directives)
    assert {name for name, value in given.items() if value} == set(SBATCH)
    assert {name for name, value in given.items() if value is None} == {"requeue"}
    assert re.fullmatch(r"B:TERM@\d+", given["signal"]), "the shell alone is told, and passes it on"
    assert int(given["ntasks-per-node"]) == 1
    assert re.fullmatch(r"\d+:\d\d:\d\d", given["time"])
    assert re.fullmatch(r"\d+[KMGT]", given["mem"])


def test_the_slurm_script_starts_ray_and_passes_the_signal_to_the_search_alone(tmp_path):
    """On one machine that plays Slurm: the shell gets TERM as Slurm sends it, the search saves, the job is requeued."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / ".venv/bin/activate").touch()
    (tmp_path / "search.py").write_text(SEARCH)
    fetched = tmp_path / f"tune_ks-{os.getpid()}"
    fetched.mkdir()
    for name, body in {**TOOLS, "python": 'exec python3 search.py "$@"'}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    slurm = {
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_CPUS_PER_TASK": "8",
        "SLURM_GPUS_ON_NODE": "2",
        "TMPDIR": str(tmp_path),
        "PLACE": str(tmp_path),
        "LISTEN": LISTEN,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    }
    job = subprocess.Popen(["bash", FILES / "slurm.sh"], env=os.environ | slurm, start_new_session=True)
    try:
        wait_for(lambda: (tmp_path / "running").exists() or job.poll() is not None)
        job.terminate()
        assert job.wait(500) == 0
    finally:
        subprocess.run(["kill", "--", f"-{job.pid}"], stderr=subprocess.DEVNULL)
    assert not fetched.exists(), "images of patients stay on a node"
    called = (tmp_path / "called").read_text().splitlines()
    assert called[0] == "ray get-auth-token --generate"
    assert called[1].startswith("ray start --head --node-ip-address=127.0.0.1")
    assert "--num-cpus=8 --num-gpus=2 --block" in called[1]
    assert called[2].startswith("run_search.py --address 127.0.0.1:")
    assert called[3:] == ["saved", f"requeue {os.getpid()}"]


def pods(group):
    """The template of a group of pods, after its required fields were found."""
    assert set(group) >= {"rayStartParams", "template"}
    assert all(isinstance(value, str) for value in group["rayStartParams"].values()), "they are a map of texts"
    (container,) = group["template"]["spec"]["containers"]
    assert {"name", "image", "resources"} <= set(container)
    assert container["resources"]["limits"] == container["resources"]["requests"]
    volumes = {volume["name"] for volume in group["template"]["spec"].get("volumes", [])}
    assert {mount["name"] for mount in container.get("volumeMounts", [])} == volumes
    return container


@pytest.mark.parametrize("name", ["rayjob.yaml", "raycluster.yaml"])
def test_the_kubernetes_files_have_what_kuberay_requires(name):
    text = (FILES / name).read_text()
    resource = yaml.safe_load(text)
    assert resource["apiVersion"] == "ray.io/v1"
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", resource["metadata"]["name"])
    cluster = resource["spec"]
    if resource["kind"] == "RayJob":
        cluster = resource["spec"]["rayClusterSpec"]
        assert resource["spec"]["submissionMode"] in ("K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode")
        assert set(yaml.safe_load(resource["spec"]["runtimeEnvYAML"])) == {"env_vars"}
        assert resource["spec"]["shutdownAfterJobFinishes"] is True
    else:
        assert resource["kind"] == "RayCluster"
    assert cluster["rayVersion"] == ray.__version__
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert "nvidia.com/gpu" not in pods(cluster["headGroupSpec"])["resources"]["limits"]
    for group in cluster["workerGroupSpecs"]:
        assert {"groupName", "replicas", "minReplicas", "maxReplicas"} <= set(group)
        assert 1 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert pods(group)["resources"]["limits"]["nvidia.com/gpu"] >= 1
    assert not re.search(r"(AKIA|secret_key|password)", text)


def test_the_cloud_file_is_valid_by_rays_own_schema():
    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    cloud = yaml.safe_load((FILES / "aws.yaml").read_text())
    jsonschema.validate(cloud, schema)
    assert cloud["head_node_type"] in cloud["available_node_types"]
    workers = [kind for name, kind in cloud["available_node_types"].items() if name != "head"]
    assert sum(kind["max_workers"] for kind in workers) <= cloud["max_workers"]
    assert all(kind["min_workers"] >= 1 for kind in workers)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**cloud, "max_wrkers": 1}, schema)
    assert f"ray[default]=={ray.__version__}" in cloud["setup_commands"][0]
