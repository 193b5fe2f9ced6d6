"""What the docstrings of the estimators show is what happens."""

import doctest

import pytest

from overopt.estimators import best_of_n, bootstrap, laws, tilting, uncertainty

SHOWN = {
    best_of_n: ["best_of_n", "best_of_n_curve", "best_of_n_kl"],
    bootstrap: ["bootstrap"],
    laws: ["Fit", "Law", "fit"],
    tilting: ["tilt"],
    uncertainty: ["standard_error"],
}


@pytest.mark.parametrize("module", SHOWN, ids=lambda module: module.__name__)
def test_examples(module):
    examples = {test.name: test for test in doctest.DocTestFinder().find(module) if test.examples}
    assert sorted(examples) == [f"{module.__name__}.{name}" for name in SHOWN[module]]
    for test in examples.values():
        assert doctest.DocTestRunner().run(test).failed == 0, test.name
