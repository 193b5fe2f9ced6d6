"""Tables that a page holds itself, as CSV that a browser saves: no server is asked."""

from __future__ import annotations

import base64
from html import escape


def link(table: str, name: str, words: str) -> str:
    """A link that says `words` and saves the CSV `table` as the file `name`.

    >>> link("n\\n1\\n", "ns.csv", "ns as CSV")
    '<a download="ns.csv" href="data:text/csv;charset=utf-8;base64,bgoxCg==">ns as CSV</a>'
    """
    data = base64.b64encode(table.encode()).decode()
    return (
        f'<a download="{escape(name)}" href="data:text/csv;charset=utf-8;base64,{data}">{escape(words)}</a>'
    )
