"""The state of a conversation, and its requests."""

from collections.abc import Callable
from dataclasses import dataclass, field

from forefront import ChatCompletion, ForefrontClient, MessageParam


@dataclass(frozen=True, slots=True)
class ChatReply:
    """The text of an answer. `interrupted` by Ctrl-C; `truncated` by the limit of tokens."""

    text: str
    interrupted: bool = False
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model of a server, with the parameters of all requests."""

    client: ForefrontClient
    name: str
    temperature: float | None = None
    max_tokens: int | None = None

    def stream(
        self, messages: list[MessageParam], write: Callable[[str], None], reasoning: Callable[[], None]
    ) -> ChatReply:
        """Stream the answer into `write`; `reasoning` is called for each part of the model's reasoning. Ctrl-C ends it.
        Raises `ForefrontError`."""
        parts: list[str] = []
        truncated = False
        try:
            with self.client.chat.completions.create(
                messages=messages,
                model=self.name,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                stream=True,
            ) as stream:
                for chunk in stream:
                    for choice in chunk.choices:
                        if choice.delta.reasoning_content:
                            reasoning()
                        parts.append(choice.delta.content or "")
                        write(parts[-1])
                        truncated = truncated or choice.finish_reason == "length"
        except KeyboardInterrupt:
            return ChatReply("".join(parts), interrupted=True)
        return ChatReply("".join(parts), truncated=truncated)

    def complete(self, messages: list[MessageParam]) -> ChatCompletion:
        """The server's whole response. Raises `ForefrontError`."""
        return self.client.chat.completions.create(
            messages=messages, model=self.name, temperature=self.temperature, max_tokens=self.max_tokens
        )


@dataclass(slots=True)
class ChatHistory:
    """The instructions and the history: prompts that were answered, and their answers."""

    model: ChatModel
    system: str | None = None
    history: list[MessageParam] = field(default_factory=list)

    def send(
        self, prompt: str, write: Callable[[str], None], reasoning: Callable[[], None] = lambda: None
    ) -> ChatReply:
        """Stream an answer and add it to the history with its prompt. After a `ForefrontError` neither is added."""
        reply = self.model.stream([*self.messages(), {"role": "user", "content": prompt}], write, reasoning)
        if reply.text or not reply.interrupted:
            self.history += [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply.text}]
        return reply

    def complete(self, prompt: str) -> ChatCompletion:
        """The whole response to `prompt`, without a change of the history. Raises `ForefrontError`."""
        return self.model.complete([*self.messages(), {"role": "user", "content": prompt}])

    def messages(self) -> list[MessageParam]:
        """The instructions and the history."""
        system: list[MessageParam] = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, *self.history]
