"""Two processes on every stage: the numbers of one, no row done twice."""

import json

import pytest
import torch
import yaml
from launching import launch
from pretrained_fixtures import computed, one_proxy, ppo_of, study_fields  # noqa: F401
from safetensors.torch import load_file

from overopt.analysis.results import read
from overopt.engine.store import Store
from overopt.models.samples import Samples
from overopt.plan.study_plan import plan
from overopt.study.study import parse_study
from overopt.util import processes

COUNT = r"""
import json, sys, torch
from overopt.util.processes import alone, dealt, gathered, rank, start
start("cpu")
rows = torch.arange(7)
mine = dealt(rows)
back = gathered(mine * 10, 7).tolist()
flags = gathered(mine % 2 == 0, 7).tolist()
few = gathered(dealt(rows[:1]), 1).tolist()
with alone():
    assert dealt(rows).tolist() == rows.tolist()
sys.stdout.write(json.dumps([rank(), mine.tolist(), back, flags, few]) + "\n")  # in one piece
"""


def test_rows_are_dealt_once_and_come_back_in_order(tmp_path):
    script = tmp_path / "count.py"
    script.write_text(COUNT)
    found = sorted(json.loads(line) for line in launch(str(script)).splitlines() if line.startswith("["))
    assert [mine for _, mine, *_ in found] == [[0, 2, 4, 6], [1, 3, 5]]
    for _, _, back, flags, few in found:
        assert back == [0, 10, 20, 30, 40, 50, 60]
        assert flags == [True, False, True, False, True, False, True]
        assert few == [0]


def test_alone_nothing_is_dealt():
    rows = torch.arange(5)
    assert (processes.size(), processes.rank()) == (1, 0)
    assert torch.equal(processes.dealt(rows), rows)
    assert processes.gathered(rows, 5) is rows
    assert processes.weight(3, 5) == 1.0
    with processes.alone():
        assert processes.gathered(rows, 5) is rows


def test_two_processes_measure_what_one_measures(fields, runtime, tmp_path):
    made = fields("llama", "neox", ppo=ppo_of(), proxies=one_proxy())
    spec = parse_study(made)
    one = computed(spec, runtime)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(made))
    said = launch("-m", "overopt", "run", str(path), "--device", "cpu", OVEROPT_STORE=str(tmp_path / "two"))
    stages, store = plan(spec).stages, Store(tmp_path / "two")
    assert all(store.problem(stage) is None for stage in stages)
    assert said.count("in 2 processes") == len(stages)
    two = read(store.path(stages[-1]), spec)
    # samples are the same to the last token, each once
    for stage in stages:
        if stage.name == "samples":
            pools = [
                Samples.load(s.path(stage) / "samples.safetensors") for s in (Store(runtime.store), store)
            ]
            assert torch.equal(pools[0].ids, pools[1].ids)
            assert torch.equal(pools[0].prompts.ids, pools[1].prompts.ids)
        if stage.name == "pool":
            golds = [
                load_file(s.path(stage) / "gold.safetensors")["evaluation"]
                for s in (Store(runtime.store), store)
            ]
            assert torch.allclose(*golds, atol=1e-4)
    ordered = [r.curves.sort("method", "rm_params", "n", "step") for r in (one, two)]
    for name in ("method", "rm_params", "n", "step", "prompts", "samples"):
        assert ordered[0][name].to_list() == ordered[1][name].to_list()
    for name in ("gold", "proxy", "kl"):
        # PPO follows the last bits of a gradient, a little
        assert ordered[0][name].to_list() == pytest.approx(ordered[1][name].to_list(), abs=0.05), name
