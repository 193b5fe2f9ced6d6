"""Spans of time in words and figures."""


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
