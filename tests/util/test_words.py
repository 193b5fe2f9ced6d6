"""Numbers and spans of time in words."""

from overopt.util.words import clock, duration, number, with_interval


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


def test_numbers_and_intervals():
    assert number(-0.126) == "−0.13"
    assert number(float("inf")) == "∞"
    assert number(None) == "—"
    assert with_interval(1.0, 0.5, float("inf")) == "1.00\u00a0[0.50,\u00a0∞]"
