"""What a model card records of a reward model's training: TRL's trainers write one beside the weights."""

import re
from pathlib import Path

import yaml
from transformers.utils import cached_file

CARD = "README.md"
TAG = "reward-trainer"  # among the tags of what TRL's RewardTrainer made
VERSION = re.compile(r"^- TRL: (\d+)\.(\d+)(\S*)", re.MULTILINE)
ENDS_TEXTS_SINCE = (
    0,
    24,
)  # from here on TRL's RewardTrainer appends EOS to plain texts (its pull request 4093)


def trl_that_ended_texts(name: str) -> str | None:
    """The version of TRL whose RewardTrainer made the model and ended its plain texts with EOS; None if no card says so.

    TRL appends EOS to texts that are no chats, and records that nowhere but in its version.
    """
    card = _card(name)
    found = VERSION.search(card)
    if found is None or TAG not in _tags(card) or (int(found[1]), int(found[2])) < ENDS_TEXTS_SINCE:
        return None
    return f"{found[1]}.{found[2]}{found[3]}"


def _card(name: str) -> str:
    """The text of the card of a folder or hub id; empty where there is none, or none that can be read."""
    path = cached_file(
        name,
        CARD,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    return Path(path).read_text(encoding="utf-8", errors="replace") if path else ""


def _tags(card: str) -> list[str]:
    """The tags in the front matter of a card."""
    parts = card.split("---", 2)
    try:
        fields = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except yaml.YAMLError:
        return []
    tags = fields.get("tags") if isinstance(fields, dict) else None
    return [str(tag) for tag in tags] if isinstance(tags, list) else []
