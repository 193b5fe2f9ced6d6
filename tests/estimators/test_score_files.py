"""One set of scores in every form of file that people have: the same curves; whatever is ambiguous, one sentence."""

import gzip
import json

import numpy as np
import polars as pl
import pytest

from overopt.estimators.score_files import read_scores
from overopt.estimators.tables import bon_table
from overopt.util.errors import UserError

GOLD = [[1.0, 5.0, 2.0, 8.0], [0.5, -1.0, 3.0], [2.0, 2.0, 4.0, 7.5]]
PROXY = [[2.0, 4.0, 4.0, 3.0], [1.0, 1.0, 0.0], [9.0, 7.0, 8.0, 6.0]]
PROMPTS = ["a, b", "01", "1"]
LONG = [
    {"prompt": prompt, "proxy": p, "gold": g}
    for prompt, proxies, golds in zip(PROMPTS, PROXY, GOLD, strict=True)
    for p, g in zip(proxies, golds, strict=True)
]
LISTS = [
    {"instruction": prompt, "answers": ["text"] * len(g), "gold_scores": g, "proxy_scores": p}
    for prompt, p, g in zip(PROMPTS, PROXY, GOLD, strict=True)
]
NAMED = [{"prompt": k, "proxy": p, "gold": g} for k, p, g in zip(PROMPTS, PROXY, GOLD, strict=True)]
CHAT = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]


def padded(rows):
    return [[*row, *[None] * (4 - len(row))] for row in rows]


WIDE = pl.DataFrame(
    {"prompt": PROMPTS}
    | {f"proxy_{k}": [row[k] for row in padded(PROXY)] for k in range(4)}
    | {f"gold_{k}": [row[k] for row in padded(GOLD)] for k in range(4)}
)


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(path, content):
    """Text, packed where the name says so, or a table."""
    if isinstance(content, pl.DataFrame):
        content.write_parquet(path)
    elif path.suffix == ".gz":
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.write(content)
    else:
        path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("long.json", json.dumps(LONG)),
        ("long.jsonl", lines(LONG)),
        ("lines-called.json", lines(LONG)),
        ("long.jsonl.gz", lines(LONG)),
        ("long.csv", pl.DataFrame(LONG).write_csv()),
        ("LONG.CSV.GZ", pl.DataFrame(LONG).write_csv()),
        ("long.parquet", pl.DataFrame(LONG)),
        ("columns.json", json.dumps(pl.DataFrame(LONG).to_dict(as_series=False))),
        ("lists.json", json.dumps(LISTS)),
        ("lists.jsonl", lines(LISTS)),
        ("lists.parquet", pl.DataFrame(LISTS)),
        ("lists-as-columns.json", json.dumps({"proxy_scores": PROXY, "gold_scores": GOLD})),
        ("named.json", json.dumps(NAMED)),
        ("wide.csv", WIDE.write_csv()),
        ("wide.csv.gz", WIDE.drop("prompt").write_csv()),
        ("wide.parquet", WIDE),
        ("wide.jsonl", WIDE.write_ndjson()),
    ],
)  # fmt: skip
def test_every_form_gives_the_same_scores(tmp_path, name, content):
    path = tmp_path / name.replace("LONG.CSV.GZ", "LONG.csv.gz")
    write(path, content)
    path = path.rename(tmp_path / name)
    scores = read_scores(path)
    ((proxy_name, proxy),) = scores.proxies.items()
    assert proxy_name in ("proxy", "proxy_scores")
    for found, expected in ((scores.gold, GOLD), (proxy, PROXY)):
        assert [row.tolist() for row in found] == expected
    table = bon_table(path)
    assert table["n"].to_list() == [1, 2, 3]
    assert table["gold"][0] == pytest.approx(np.mean([np.mean(row) for row in GOLD]))


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "csv"])
def test_a_chat_is_a_prompt_up_to_the_users_last_turn(tmp_path, ending):
    """Two answers to one conversation are samples of one prompt; another system message makes another prompt."""
    other = [{"role": "system", "content": "Be brief."}, CHAT[1]]
    rows = [
        {"prompt": CHAT, "proxy": 1.0, "gold": 1.0},
        {"prompt": other, "proxy": 2.0, "gold": 2.0},
        {"prompt": CHAT if ending == "csv" else [*CHAT, {"role": "assistant", "content": "Hi!"}], "proxy": 3.0, "gold": 3.0},
    ]  # fmt: skip
    path = tmp_path / f"chats.{ending}"
    if ending == "jsonl":
        write(path, lines(rows))
    elif ending == "parquet":
        write(path, pl.DataFrame(rows))
    else:
        write(path, pl.DataFrame([row | {"prompt": str(row["prompt"])} for row in rows]).write_csv())
    assert [row.tolist() for row in read_scores(path).gold] == [[1.0, 3.0], [2.0]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.json", json.dumps([{"gold": [1], "gold_scores": [1], "proxy": [1]}]),
         "found the columns 'gold_scores', 'gold', expected gold in one form only"),
        ("s.csv", "prompt,gold,gold_0,proxy_0\na,1,1,1\n",
         "found the columns 'gold_0', 'gold', expected gold in one form only"),
        ("s.csv", "prompt,gold_0,gold_1,proxy_0\na,1,1,1\n", "found 1 columns of 'proxy' and 2 of 'gold'"),
        ("s.csv", "prompt,id,gold_0,proxy_0\na,7,1,1\n", "found the column 'id' beside 'gold_0'"),
        ("s.csv", "prompt,gold_0,gold_1\na,7,1\n", "found numbered columns of 'gold' alone"),
        ("s.csv", "prompt,gold_0,gold_1,proxy_0,proxy_1\na,1,,1,2\n",
         "row 1: found one of 'proxy_1' and 'gold_1' empty"),
        ("s.csv", "prompt,gold_0,proxy_0\na,1,1\na,2,2\n",
         "found the prompt of row 2 before, expected one row a prompt"),
        ("s.csv", "gold_0,proxy_0\n1,1\n,\n", "row 2: found no scores"),
        ("s.csv", "gold_0,proxy_0\n1,much\n", "column 'proxy_0', row 1: found 'much', expected a finite number"),
        ("s.json", json.dumps([{"gold_scores": [1, 2], "proxy_scores": [1]}]),
         "column 'proxy_scores', row 1: found 1 scores, expected 2 as in 'gold_scores'"),
        ("s.json", json.dumps([{"gold_scores": [1, None], "proxy_scores": [1, 2]}]),
         "column 'gold_scores', row 1: found nothing as score 2"),
        ("s.json", '[{"gold_scores": [1, NaN], "proxy_scores": [1, 2]}]',
         "column 'gold_scores', row 1: found nan as score 2"),
        ("s.json", json.dumps([{"gold_scores": [1], "proxy_scores": [1]}, {"gold_scores": [], "proxy_scores": []}]),
         "row 2: found no scores"),
        ("s.json", json.dumps([{"gold_scores": [1.0], "answers": ["x"]}]),
         "found no lists of numbers besides 'gold_scores'"),
        ("s.json", json.dumps({"proxy": {"0": 1.0}, "gold": {"0": 1.0}}),
         "found one object with the keys 'proxy', 'gold'"),
        ("s.json", "{", "could not be read"),
        ("s.jsonl", "[1, 2]\n", "row 1: found no object"),
        ("s.jsonl", lines([{"prompt": [{"role": "assistant", "content": "x"}], "gold": 1, "proxy": 1}]),
         "row 1: found messages of the roles 'assistant'"),
        ("s.jsonl", lines([{"prompt": {"text": "x"}, "gold": 1, "proxy": 1}]),
         "row 1: found a prompt that is neither text nor a list"),
        ("s.jsonl", lines([{"prompt": "a", "gold": True, "proxy": 1}]),
         "column 'gold': found type Boolean, expected numbers"),
        ("s.jsonl", lines([{"prompt": "a", "gold": 1, "proxy": 1}, {"prompt": "a", "gold": 1}]),
         "column 'proxy', row 2: found nothing"),
        ("s.yaml", "gold: 1\n", r"found the ending '\.yaml', expected \.csv, \.json"),
        ("s.parquet.gz", "", r"found the ending '\.parquet\.gz'"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_or_broken_is_refused(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message) as error:
        read_scores(write(tmp_path / name, content))
    assert "\n" not in str(error.value)


def test_whole_numbers_among_others_stay_what_they_are(tmp_path):
    rows = [
        {"gold_scores": [1, 2.5], "proxy_scores": [3, 10**30]},
        {"gold_scores": [1, 2], "proxy_scores": [0.5, 1]},
    ]
    for name, content in (("s.jsonl", lines(rows)), ("s.json", json.dumps(rows))):
        scores = read_scores(write(tmp_path / name, content))
        assert [row.tolist() for row in scores.gold] == [[1.0, 2.5], [1.0, 2.0]]
        assert scores.proxies["proxy_scores"][0].tolist() == [3.0, 1e30]
    columns = {"gold_scores": [[1, 2.5], [1, 2]], "proxy_scores": [[1, 2], [0.5, 1]]}
    scores = read_scores(write(tmp_path / "columns.json", json.dumps(columns)))
    assert [row.tolist() for row in scores.gold] == [[1.0, 2.5], [1.0, 2.0]]
    long = {"prompt": ["a", "a"], "gold": [1, 2.5], "proxy": [1, 10**400]}
    with pytest.raises(UserError, match="column 'proxy', row 2: found inf"):
        read_scores(write(tmp_path / "long.json", json.dumps(long)))
    long["gold"] = [1]
    with pytest.raises(UserError, match="could not be read"):
        read_scores(write(tmp_path / "long.json", json.dumps(long)))


def test_what_only_says_that_it_is_packed_is_refused(tmp_path):
    (tmp_path / "s.csv.gz").write_text("prompt,gold,p\na,1,2\n")
    with pytest.raises(UserError, match=r"s\.csv\.gz: could not be read"):
        read_scores(tmp_path / "s.csv.gz")


def test_many_rows_keep_their_prompts_across_the_parts_of_a_file(tmp_path):
    rng = np.random.default_rng(0)
    prompts = rng.integers(0, 50, 300_000)
    gold = np.arange(300_000.0)
    frame = pl.DataFrame({"prompt": [f"prompt {k}" for k in prompts], "gold": gold, "proxy": -gold})
    frame.write_csv(tmp_path / "s.csv")
    scores = read_scores(tmp_path / "s.csv")
    expected = {gold[prompts == k][0]: gold[prompts == k] for k in range(50)}
    assert len(scores.gold) == 50
    for found, proxy in zip(scores.gold, scores.proxies["proxy"], strict=True):
        assert np.array_equal(found, expected[found[0]])
        assert np.array_equal(proxy, -found)


def test_a_bad_entry_far_down_is_named_as_it_stands(tmp_path):
    rows = ["a,1,2"] * 200_000
    rows[150_000] = "a,1,inf"
    (tmp_path / "s.csv").write_text("\n".join(["prompt,gold,proxy", *rows]) + "\n")
    with pytest.raises(UserError, match="column 'proxy', row 150001: found 'inf'"):
        read_scores(tmp_path / "s.csv")
