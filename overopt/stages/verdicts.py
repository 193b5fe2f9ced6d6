"""What today's rules say of a study's tables: a result of its own, so that a changed rule needs no curve again."""

from overopt.analysis import results
from overopt.analysis.claims import verdicts
from overopt.analysis.evidence import Evidence
from overopt.engine.record import read_record
from overopt.engine.stage import Job
from overopt.plan.stage_specs import VerdictsSpec
from overopt.study.study import parse_study


def judge(job: Job[VerdictsSpec]) -> None:
    """Every claim, judged from the tables alone."""
    tables = job.parents["tables"]
    study = parse_study(read_record(tables)["spec"]["study"])
    verdicts.write(verdicts.judge(Evidence(results.read(tables, study))), job.out / "verdicts.json")
