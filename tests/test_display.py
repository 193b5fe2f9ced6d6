"""Progress: lines that stay where there is no terminal."""

from overopt.display import Display


def test_without_a_terminal_each_stage_is_one_line(capsys, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    with Display("toy", total=3, done=1, workers=2) as display:
        display.update({"a stage": None, "another [bold]": (2, 10)})
        display.finished("another [bold]", 75.0)
        display.update({})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "study toy: 2 of 3 stages to compute, 2 at a time"
    assert lines[1].startswith("[2/3] another [bold]: 75 seconds")
    assert len(lines) == 2
