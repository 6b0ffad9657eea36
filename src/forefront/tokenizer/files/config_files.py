"""The settings of a tokenizer in a Hugging Face directory, beside its vocabulary."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.files.named_templates import joined_template

CONFIG: Final = "tokenizer_config.json"
_SPECIAL: Final = "special_tokens_map.json"
# Bytes. The largest vocabularies have 20 MiB.
_LARGEST: Final = 2**27


def token_text(config: Mapping[str, Any], name: str) -> str:
    """The text of a special token such as `bos_token`, empty if there is none."""
    value = config.get(name)
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else ""


def read_template(directory: Path, config: Mapping[str, Any]) -> str:
    """The chat template, empty if there is none. Raises `TokenizerError`."""
    path = directory / "chat_template.jinja"
    if path.is_file():
        tool_use = directory / "additional_chat_templates" / "tool_use.jinja"
        more = tool_use.read_text(errors="replace") if tool_use.is_file() else ""
        return joined_template(path.read_text(errors="replace"), more)
    # Models with images may have it in a file of their processor alone.
    template = config.get("chat_template") or read_json(directory / "chat_template.json").get("chat_template")
    if isinstance(template, list):
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
        if isinstance(template, str):
            return joined_template(template, named.get("tool_use"))
    return template if isinstance(template, str) else ""


def read_tokenizer_settings(directory: Path) -> dict[str, Any]:
    """The settings in `tokenizer_config.json`, and the special tokens that another file alone names. Raises
    `TokenizerError`."""
    return {**read_json(directory / _SPECIAL), **read_json(directory / CONFIG)}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty if there is none. Raises `TokenizerError`."""
    try:
        value = json.loads(path.read_text())
    except OSError:
        return {}
    except ValueError:
        raise TokenizerError(f"its {path.name} is not JSON") from None
    return value if isinstance(value, dict) else {}


def read_bounded(path: Path) -> bytes:
    """The content of a vocabulary. Raises `TokenizerError` for a file that is larger than any, and `OSError`."""
    if path.stat().st_size > _LARGEST:
        raise TokenizerError(f"its {path.name} has more than {_LARGEST >> 20} MiB")
    return path.read_bytes()
