"""How often the rules tell what is so in worlds whose answer is known, with the runs and the noise of a study."""

from overopt.analysis import results, rule_power
from overopt.analysis.simulated import Simulator
from overopt.engine.record import read_record
from overopt.engine.stage import Job
from overopt.plan.stage_specs import RulePowerSpec
from overopt.study.study import parse_study


def try_rules(job: Job[RulePowerSpec]) -> None:
    """`rule_power.outcomes` of so many draws."""
    tables = job.parents["tables"]
    study = parse_study(read_record(tables)["spec"]["study"])
    simulator = Simulator(results.read(tables, study))
    found = rule_power.outcomes(simulator, range(job.spec.draws), job.progress)
    found.write_parquet(job.out / "outcomes.parquet")
