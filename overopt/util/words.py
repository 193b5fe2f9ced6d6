"""Numbers and spans of time in words, as tables, sentences and the terminal have them."""

import math


def number(value: int | float | None, digits: int = 2) -> str:
    """A number with `digits` decimals; an em dash for none, a word for infinity."""
    if value is None or math.isnan(value):
        return "—"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    return (text if float(text) else text.removeprefix("-")).replace("-", "−")


def short_number(value: int | float) -> str:
    """Three significant digits with k, M or B: 840, 9.6k, 98.3k, 1.05M."""
    for factor, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"


def with_interval(value: int | float | None, low: int | float, high: int | float, digits: int = 2) -> str:
    """A value and its interval: 0.55 [0.51, 0.60]."""
    # No-break spaces: a table breaks between columns, not inside an interval.
    return f"{number(value, digits)}\u00a0[{number(low, digits)},\u00a0{number(high, digits)}]"


def with_se(value: int | float | None, se: int | float | None, digits: int = 2) -> str:
    """A value and its standard error: 0.55 ± 0.02, which no table breaks in two."""
    return f"{number(value, digits)}\u00a0±\u00a0{number(se, digits)}"


def counted(count: int, word: str) -> str:
    """1 -> '1 seed', 2 -> '2 seeds'."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def span(low: str, high: str) -> str:
    """Two ends in words, or one where they read alike: '1.2 to 3.4', '1.2'."""
    return low if low == high else f"{low} to {high}"


def duration(seconds: int | float) -> str:
    """1000 -> '16.7 minutes'."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def clock(seconds: int | float | None) -> str:
    """75 -> '1:15'; None -> '-:--'."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def capital(sentence: str) -> str:
    """The sentence with a capital first."""
    return sentence[:1].upper() + sentence[1:]
