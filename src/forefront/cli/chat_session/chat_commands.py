"""The commands within a conversation: lines that begin with a slash."""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from forefront import ForefrontError, MessageParam
from forefront.cli.chat_session.conversation import ChatHistory
from forefront.cli.terminal.printable import printable

COMMANDS: Final = ("/system", "/model", "/clear", "/save", "/help", "/exit")
HELP: Final = """\
/system TEXT   set the instructions of the model; without TEXT, remove them
/model NAME    answer with another model from now on; without NAME, list them
/clear         forget the conversation
/save FILE     write the conversation as Markdown, or as JSON to a name that ends with .json
/help          show this
/exit          leave, as Ctrl-D does
Alt-Enter or Ctrl-J begins a new line. Up shows earlier messages, Ctrl-R searches them.
Ctrl-C stops an answer. Its text up to there stays in the conversation."""

_COMMAND = re.compile(r"/(?P<name>[a-z]+)(?:\s+(?P<text>.*))?", re.DOTALL)


def read_command(line: str) -> tuple[str, str] | None:
    """The command and its text, or None for a prompt, such as one that begins with a path (`/etc/hosts`)."""
    match = _COMMAND.fullmatch(line.strip())
    return (match["name"], (match["text"] or "").strip()) if match else None


def run_command(conversation: ChatHistory, name: str, text: str) -> str | None:
    """Run a command. Returns its output, or None to leave. Raises `ForefrontError`."""
    match name:
        case "exit" | "quit":
            return None
        case "clear":
            conversation.history.clear()
            return "The conversation is forgotten."
        case "system":
            conversation.system = text or None
            return "The instructions are set." if text else "The instructions are removed."
        case "model":
            return _choose_model(conversation, text)
        case "save":
            return _save(conversation, text)
        case "help":
            return HELP
    return f"There is no /{name}; /help lists the commands."


def _choose_model(conversation: ChatHistory, name: str) -> str:
    known = [model.id for model in conversation.model.client.models.list().data]
    current = conversation.model.name
    if not name:
        return "\n".join(f"{'*' if model == current else ' '} {printable(model)}" for model in known)
    if name not in known:
        return f"There is no model {printable(name)}; /model lists them."
    conversation.model = replace(conversation.model, name=name)
    return f"{printable(name)} answers from now on."


def _save(conversation: ChatHistory, text: str) -> str:
    messages = conversation.messages()
    if not messages:
        return "There is no conversation yet."
    path = Path(text or time.strftime("chat-%Y%m%d-%H%M%S.md"))
    content = json.dumps(messages, ensure_ascii=False, indent=1) if path.suffix == ".json" else _markdown(messages)
    try:
        path = path.expanduser()
        encoded = f"{content}\n".encode()
        with path.open("xb") as file:  # never overwrites a file
            file.write(encoded)
    except FileExistsError:
        return f"{printable(str(path))} exists; choose another name."
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ForefrontError(f"{path} cannot be written: {reason}.") from None
    return f"The conversation is in {printable(str(path))}."


def _markdown(messages: Sequence[MessageParam]) -> str:
    titles = {"system": "Instructions", "user": "You", "assistant": "Model"}
    return "\n\n".join(f"## {titles[message['role']]}\n\n{message['content']}" for message in messages)
