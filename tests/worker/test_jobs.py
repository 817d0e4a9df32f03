"""The jobs of a trial: their configs, which the driver needs at every report."""

from tiny_space import GRID, VENDORS, WORK
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import plan_search
from tune_ks.worker.jobs import configs_of


def test_the_configs_of_a_job_are_built_once(tmp_path, monkeypatch):
    jobs = WORK.with_jobs(plan_search(GRID, RunFolder(tmp_path), VENDORS).jobs).plain()["jobs"]
    expected = [[TrialConfig.from_dict(values) for values in job] for job in jobs]
    assert [configs_of(job) for job in jobs] == expected
    built = []
    monkeypatch.setattr(TrialConfig, "from_dict", lambda values: built.append(values))
    configs_of(jobs[0]).clear()  # the list is the caller's
    assert [configs_of(job) for job in jobs] == expected
    assert not built
    assert len(expected) == 6
