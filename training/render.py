"""Dialogues as the text and the tokens that the model sees; `chat_template.jinja` says the same for the server."""

import json
from typing import Any

from training.dialogues import Dialogue
from training.dialogues.dialogue import Message

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
START, END = 1, 2


def plain_messages(messages: list[Message], tools: list[dict[str, Any]]) -> list[Message]:
    """The same prompt without the fields for tools: their definitions, calls and results as text."""
    plain = [plain_message(message) for message in messages]
    if not tools:
        return plain
    lead = plain.pop(0)["content"] + "\n" if plain[0]["role"] == "system" else ""
    shown = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    return [{"role": "system", "content": f"{lead}Tools:\n<tools>\n{shown}\n</tools>"}, *plain]


def plain_message(message: Message) -> Message:
    """One message without the fields for tools."""
    if message["role"] == "tool":
        return {"role": "user", "content": f"<tool_response>\n{message['content']}\n</tool_response>"}
    calls = [
        f'<tool_call>\n{{"name": "{made["name"]}", "arguments": {made["arguments"]}}}\n</tool_call>'
        for made in (call["function"] for call in message.get("tool_calls") or [])
    ]
    text = [message["content"]] if message.get("content") else []
    return {"role": message["role"], "content": "\n".join(text + calls)}


def texts(dialogue: Dialogue) -> list[str]:
    """Everything in a dialogue that is ordinary text."""
    return [part for m in plain_messages(dialogue.whole, dialogue.tools) for part in (m["role"] + "\n", m["content"])]


def encode(dialogue: Dialogue, tokenizer: Any) -> tuple[list[int], list[bool]]:
    """The tokens of a whole dialogue, and which of them the model has to produce itself."""
    ids: list[int] = []
    learnt: list[bool] = []
    for message in plain_messages(dialogue.whole, dialogue.tools):
        head = [START, *tokenizer.encode(message["role"] + "\n").ids]
        body = [*tokenizer.encode(message["content"]).ids, END]
        tail = tokenizer.encode("\n").ids
        own = message["role"] == "assistant"
        ids += head + body + tail
        learnt += [False] * len(head) + [own] * len(body) + [False] * len(tail)
    return ids, learnt
