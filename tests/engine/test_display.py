"""Progress: live lines that fit on a terminal; in a pipe, lines that stay and nothing else."""

import contextlib
import os
import re
import sys
import threading
import time

import pytest

from overopt.engine import display
from overopt.engine.display import Display
from overopt.engine.progress import Progress

ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")
TITLE = "a stage with a title, 5400 pairs, seed 0"


def at(done, total, *, rate=2.0, pid=1):
    return Progress(pid, 0.0, done, total, seen=100.0 + done / rate, first=0, since=100.0)


def show_some():
    with Display("toy", total=5, done=1, workers=2) as shown:
        shown.update({TITLE: at(1234, 56_789), "another [bold] :smile:": None})
        shown.update({TITLE: at(2345, 56_789), "elsewhere": at(1, 1000)}, elsewhere={"elsewhere"})
        shown.finished("another [bold] :smile:", 75.0)
        shown.update({TITLE: at(3456, 56_789), "elsewhere": at(1, 1000)}, elsewhere={"elsewhere"})
        shown.finished("elsewhere", None)
        shown.update({})


def read_all(descriptor, into):
    with contextlib.suppress(OSError):  # a pseudo-terminal ends in one
        while part := os.read(descriptor, 4096):
            into.append(part)


@pytest.fixture
def on_terminal(monkeypatch):
    """What `show_some` writes on a pseudo-terminal, under an environment."""

    def run(columns, **environment):
        ours, theirs = os.openpty()
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in ({"TERM": "xterm", "COLUMNS": str(columns)} | environment).items():
            monkeypatch.setenv(name, value)
        read = []
        reader = threading.Thread(target=read_all, args=(ours, read))
        reader.start()
        with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", terminal)
            show_some()
        reader.join()
        os.close(ours)
        return b"".join(read).decode()

    return run


def lines(written):
    """What was written, between ends and returns of lines, without escape codes."""
    return [line for line in re.split(r"[\r\n]+", ESCAPE.sub("", written)) if line.strip()]


@pytest.mark.parametrize("columns", [40, 60, 100, 200])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(on_terminal, columns):
    found = lines(on_terminal(columns))
    assert max(map(len, found)) <= min(columns, display.WIDEST)
    live = next(line for line in found if "2345/56789" in line)
    assert live.startswith("  a stage with")
    assert live.endswith("7:33:42")  # 54,444 steps at 2 a second
    assert ("…" in live) == (columns < 80)
    assert ("2/s" in live) == (columns >= 60)
    assert any(line.startswith("  another process: e") and line.endswith("8:20") for line in found)
    assert any(line.startswith("study toy") and "2/5" in line for line in found)


def test_the_terminal_is_left_as_it_was(on_terminal):
    written = on_terminal(60)
    codes = ["".join(code) for code in ESCAPE.findall(written)]
    assert codes.count("?25l") == codes.count("?25h") == 1  # the cursor
    # only whole lines are gone back over: as many up as there were live lines
    assert set(codes) <= {"?25l", "?25h", "2K", "1A"} | {code for code in codes if code.endswith("m")}
    assert written.rstrip().endswith("2K")  # the last live line is wiped


def test_no_colour_where_none_is_wanted(on_terminal):
    def coloured(text):
        return any(kind == "m" and code not in ("", "0") for code, kind in ESCAPE.findall(text))

    assert coloured(on_terminal(100))
    assert not coloured(on_terminal(100, NO_COLOR="1"))


def test_a_dumb_terminal_gets_lines_alone(on_terminal):
    written = on_terminal(100, TERM="dumb")
    assert "\x1b" not in written
    assert len(lines(written)) == 4


def test_without_a_terminal_each_stage_is_one_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    show_some()
    written = capsys.readouterr().err
    assert "\x1b" not in written
    assert "\r" not in written
    found = written.splitlines()
    assert found[0] == "study toy: 4 of 5 stages to compute, 2 at a time"
    assert found[1] == "elsewhere: another process is computing it, waiting for its result"
    assert found[2].startswith("[2/5] another [bold] :smile:: 75 seconds (elapsed ")
    assert found[3].startswith("[3/5] elsewhere: computed by another process (elapsed ")
    assert len(found) == 4


def test_time_left_of_a_study_follows_from_the_stages_so_far(monkeypatch):
    now = iter([1000.0, 1060.0, 1060.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    shown = Display("toy", total=6, done=1, workers=1)  # begins at 1000
    assert shown.left() is None
    shown.finished("a stage", 60.0)
    shown.running = {"b": at(50, 100), "c": None}
    assert shown.left() == pytest.approx(
        60 / 1.5 * 3.5
    )  # at 1060: one and a half are done, three and a half are not
