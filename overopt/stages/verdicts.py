"""What today's rules say of a study's tables: a result of its own, so that a changed rule needs no curve again."""

from overopt.analysis import results
from overopt.analysis.claims import verdicts
from overopt.engine.record import read_record
from overopt.engine.stage import Job
from overopt.plan.stage_specs import VerdictsSpec
from overopt.study.study import parse_study
from overopt.util.files import write_json


def judge(job: Job[VerdictsSpec]) -> None:
    """Every claim, judged from the tables alone, by every strictness of gold."""
    tables = job.parents["tables"]
    study = parse_study(read_record(tables)["spec"]["study"])
    write_json(job.out / "verdicts.json", verdicts.judge_by_every_gold(results.read(tables, study)))
