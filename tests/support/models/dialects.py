"""Random models with the chat templates and control tokens of the common open families."""

from dataclasses import dataclass
from pathlib import Path

from tests.support.models.random_model import CONTROL, write_random_gguf

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Family:
    """A template's file, and the texts that are tokens by themselves: of control, and of no such meaning."""

    template: str
    control: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def token(self, text: str) -> str:
        """The id of one of those tokens, as `logit_bias` wants it."""
        return str([*CONTROL, *self.control, *self.added].index(text))


_QWEN_MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
FAMILIES = {
    "qwen": Family("qwen", added=_QWEN_MARKERS),
    "qwen-control": Family("qwen", control=_QWEN_MARKERS),
    "llama": Family("llama", control=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>")),
    "mistral": Family("mistral", control=("[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]")),
    "magistral": Family("magistral", control=("[INST]", "[/INST]", "[TOOL_CALLS]", "[ARGS]", "[THINK]", "[/THINK]")),
}
FAMILIES |= {
    "qwen-coder": Family("qwen_coder", added=("<tool_call>", "</tool_call>")),
    "phi": Family(
        "phi", control=("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|tool_call|>", "<|/tool_call|>")
    ),
    "lfm": Family("lfm", control=("<|tool_call_start|>", "<|tool_call_end|>")),
    "gemma": Family(
        "function_gemma",
        control=("<start_of_turn>", "<end_of_turn>", "<start_function_call>", "<end_function_call>", "<escape>"),
    ),
    "granite": Family("granite", control=("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>", "<|tool_call|>")),
    "gpt-oss": Family(
        "harmony",
        control=("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|return|>", "<|call|>"),
    ),
}


def write_family(directory: Path, name: str) -> str:
    """Write the family's model; it as an argument of `forefront serve`."""
    family, path = FAMILIES[name], directory / f"{name}.gguf"
    template = (_TEMPLATES / f"{family.template}.jinja").read_text()
    write_random_gguf(
        path,
        layers=1,
        chat_template=template,
        control=family.control,
        added=family.added,
        context=2048,
        d_model=64,
        vocab_size=384,
    )
    return f"{name}={path}"
