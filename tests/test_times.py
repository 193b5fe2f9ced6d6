"""Spans of time in words and figures."""

from overopt.times import clock, duration


def test_duration():
    assert [duration(s) for s in (5, 600, 7200)] == ["5 seconds", "10.0 minutes", "2.0 hours"]


def test_clock():
    assert [clock(s) for s in (None, 0, 59.6, 75, 3599, 3725)] == [
        "-:--",
        "0:00",
        "1:00",
        "1:15",
        "59:59",
        "1:02:05",
    ]
