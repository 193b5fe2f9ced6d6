"""`overopt publish`: results from the store become published stages of the package."""

from collections.abc import Sequence

from overopt.engine.published import PublishedStages
from overopt.engine.store import Store, store_root
from overopt.plan.study_plan import plan
from overopt.study.study import load_study
from overopt.util.errors import UserError
from overopt.util.paths import checkout


def publish_command(study: str, kinds: Sequence[str]) -> None:
    """`overopt publish STUDY --kind KIND ...`: copy what is not published yet, all of it or nothing, and say so.

    Raises:
        UserError: if a kind is not of the study, a result is missing, damaged or computed by code that no commit holds, or
            there is no checkout to commit it in.
    """
    checkout("publish")
    graph, store, published = plan(load_study(study)), Store(store_root(), published=False), PublishedStages()
    known = sorted({stage.name for stage in graph.stages})
    for kind in kinds:
        if kind not in known:
            raise UserError(f"kind: found {kind!r}, expected one of {', '.join(known)}")
    wanted = [stage for stage in graph.stages if stage.name in kinds]
    new = {store.path(stage): stage for stage in wanted if published.problem(stage)}
    published.publish(new)
    for stage in new.values():
        print(f"{published.folder(stage)}: {stage.title}")
    print(f"{len(new)} stages published, {len(wanted) - len(new)} were already; commit {published.root}")
