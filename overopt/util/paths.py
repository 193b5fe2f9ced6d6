"""Where things lie: the package with its studies, and the checkout around it, if this is one."""

from pathlib import Path

from overopt.util.errors import UserError

PACKAGE = Path(__file__).resolve().parents[1]
STUDIES = PACKAGE / "studies"
ROOT = PACKAGE.parent  # of the checkout; of an installed package, wherever packages are
IN_CHECKOUT = all((ROOT / name).is_file() for name in ("pyproject.toml", "_toc.yml"))


def checkout(needed_for: str) -> Path:
    """The folder of the checkout.

    Raises:
        UserError: if the package was installed without one.
    """
    if not IN_CHECKOUT:
        raise UserError(
            f"{needed_for}: found an installed package at {PACKAGE}, expected a clone of the project, which holds the "
            "notebooks and the book"
        )
    return ROOT
