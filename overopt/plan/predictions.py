"""The part of a plan that predicts curves before anything is optimised."""

from overopt.plan.curves import CurveStages
from overopt.plan.proxies import ProxyStages, label
from overopt.plan.registry import Graph
from overopt.plan.stage_specs import Curve, PredictionSpec
from overopt.study.prediction_parts import Predictions
from overopt.study.study import Study


def add_predictions(
    graph: Graph, study: Study, predictions: Predictions, proxies: ProxyStages, curves: CurveStages
) -> None:
    """A prediction for each proxy, which has nothing but the proxy and the pool: no run that it could know."""
    for cell in predictions.grid.cells:
        spec = PredictionSpec(
            curve=Curve.model_validate(curves.best_of_n[cell].spec["curve"]),  # called as what it predicts
            frozen=curves.frozen,
            pool_samples=study.best_of_n.samples,
            samples=predictions.samples,
            max_n=predictions.max_n,
        )
        parents = {"pool": curves.pool, "proxy": proxies.add(cell)}
        graph.add("prediction", f"prediction {label(cell)}", spec, **parents)
