"""The tokens of a pair of texts, for a model that scores documents for queries."""

import re
from typing import Final

from forefront.chat.prompt.control_tokens import ControlTokenFinder
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.tokenizer.tokenizer import TokenFrame, Tokenizer

# The prompt of Qwen 3's rerankers (their model card), which their files do not always have.
QWEN3: Final = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n"
    "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
    "<Query>: {query}\n"
    "<Document>: {document}<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n"
)
_PLACES: Final = re.compile(r"(\{query\}|\{document\})")


class RerankPrompt:
    """Writes pairs by a `template` with `{query}` and `{document}`, or without one as two segments in `frame`."""

    def __init__(self, tokenizer: Tokenizer, frame: TokenFrame, template: str) -> None:
        self._tokenizer, self._frame = tokenizer, frame
        self._pieces = _PLACES.split(template) if template else []
        self._control = ControlTokenFinder(tokenizer.control)

    def encode(self, query: str, document: str) -> EmbeddingInput:
        """The tokens of a pair. In a template, texts never contain control tokens."""
        if self._pieces:
            return EmbeddingInput(self._tokenizer.encode_parts(self._fill(query, document)))
        frame = self._frame
        first = [*frame.before, *self._tokenizer.encode(query), *frame.between]
        tokens = [*first, *self._tokenizer.encode(document), *frame.after]
        return EmbeddingInput(tokens or [0], len(first))

    def _fill(self, query: str, document: str) -> list[str]:
        """The prompt in separately encoded parts, split inside each control token's text in the client's texts."""
        parts = [""]
        for piece in self._pieces:
            if piece not in ("{query}", "{document}"):
                parts[-1] += piece
                continue
            text = query if piece == "{query}" else document
            begin = 0
            for place in self._control.places(text):
                parts[-1] += text[begin : place + 1]
                parts.append("")
                begin = place + 1
            parts[-1] += text[begin:]
        return parts
