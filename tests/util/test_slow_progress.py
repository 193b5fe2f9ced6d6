"""Progress is for those who wait: nothing at first, then a line every two seconds."""

from overopt.util import slow_progress


def test_a_line_every_two_seconds(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(slow_progress.time, "monotonic", lambda: now[0])
    waiting = slow_progress.SlowProgress()
    for at in (100.5, 101.9, 102.1, 103.0, 104.2):
        now[0] = at
        waiting.say(f"at {at}")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "overopt: at 102.1\noveropt: at 104.2\n")


def test_of_long_work_lines_become_rarer(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(slow_progress.time, "monotonic", lambda: now[0])
    waiting = slow_progress.SlowProgress(longest=8.0)
    for at in range(41):
        now[0] = float(at)
        waiting.say(str(at))
    assert capsys.readouterr().err.split() == [
        word for at in (2, 6, 14, 22, 30, 38) for word in ("overopt:", str(at))
    ]
