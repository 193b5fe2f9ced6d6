"""Loading never executes: no call in the project unpickles, evaluates, or unpacks files to where an archive says."""

import ast

import pytest

from overopt.util.paths import ROOT

FOLDERS = ("overopt", "notebooks", "benchmarks")
# The last part of a call's name, whatever stands before it.
NEVER = {
    "system",
    "popen",
    "extractall",
    "unpack_archive",
    "unsafe_load",
    "full_load",
    "read_pickle",
    "deserialize",
}
# The whole name: torch's `model.eval()` is another thing.
NEVER_NAMED = {"eval", "exec", "torch.load", "torch.jit.load", "torch.hub.load", "yaml.load"}
NEVER_IMPORTED = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
NEVER_TRUE = {"allow_pickle", "trust_remote_code", "shell"}


def offences(source):
    """What a piece of Python does that could run code from a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            )
            found += [name for name in modules if name.split(".")[0] in NEVER_IMPORTED]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        last = name.rsplit(".", 1)[-1]
        arguments = {word.arg: ast.unparse(word.value) for word in node.keywords}
        if last in NEVER or name in NEVER_NAMED:
            found.append(name)
        if last == "extract" and ".str." not in name:
            found.append(name)
        found += [f"{name}({word}=...)" for word in NEVER_TRUE & set(arguments) if arguments[word] != "False"]
        # transformers falls back on a pickle where there are no safetensors; tokenizers are JSON
        if (
            last == "from_pretrained"
            and not any(kind in name for kind in ("Tokenizer", "Config"))  # these hold no weights
            and arguments.get("use_safetensors") != "True"
        ):
            found.append(f"{name} without use_safetensors=True")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "torch.load('x')",
        "torch.load('x', weights_only=True)",
        "import pickle",
        "from pickle import load",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "yaml.load(text, Loader=Loader)",
        "archive.extractall()",
        "pl.LazyFrame.deserialize('x')",
        "archive.extract(member)",
        "eval(text)",
        "os.system('x')",
        "subprocess.run('x', shell=True)",
        "GPT2LMHeadModel.from_pretrained(folder)",
    ],
)
def test_what_would_execute_is_found(source):
    assert offences(source)


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()",
        "yaml.safe_load(text)",
        "np.load('x')",
        "archive.extractfile(member)",
        "pl.col('x').str.extract('(a)')",
        "Model.from_pretrained(folder, use_safetensors=True)",
        "PreTrainedTokenizerFast.from_pretrained(folder)",
        "AutoConfig.from_pretrained(folder)",
    ],
)
def test_what_would_not_is_let_through(source):
    assert offences(source) == []


def test_no_file_of_the_project_does():
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert {"store.py", "reviews.py", "00_chain.py", "measure.py"} <= {path.name for path in files}
    assert {path.name: found for path in files if (found := offences(path.read_text()))} == {}


@pytest.mark.xdist_group("smoke")
def test_what_is_stored_is_json_parquet_or_safetensors(smoke_store):
    kinds = {path.suffix for path in smoke_store.rglob("*") if path.is_file()}
    assert kinds == {".json", ".parquet", ".safetensors", ".lock"}
    assert all(path.stat().st_size == 0 for path in smoke_store.rglob("*.lock"))
