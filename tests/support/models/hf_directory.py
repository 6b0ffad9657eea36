"""A complete Hugging Face directory with a tiny random model, its tokenizer and its settings."""

import json
import tempfile
from pathlib import Path

from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as Pipeline

from forefront.graph.gguf.gguf_file import GgufFile
from tests.support.models.hf_decoder import CHECKPOINTS, write_checkpoint
from tests.support.models.random_decoder import ALIGNED, FAMILIES, write_decoder

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}<|im_start|>assistant\n"
)


def write_tokenizer(directory: Path, file: GgufFile) -> None:
    """The vocabulary of a GGUF file as `tokenizer.json` and `tokenizer_config.json`."""
    tokens, merges = file.metadata["tokenizer.ggml.tokens"], file.metadata["tokenizer.ggml.merges"]
    pairs = [tuple(merge.split(" ")) for merge in merges]
    pipeline = Pipeline(models.BPE({text: n for n, text in enumerate(tokens)}, pairs))
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pipeline.decoder = decoders.ByteLevel()
    pipeline.add_special_tokens([AddedToken(text, special=True) for text in tokens[:3]])
    pipeline.save(str(directory / "tokenizer.json"))
    config = {"bos_token": tokens[1], "eos_token": tokens[2], "chat_template": TEMPLATE}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))


def write_directory(directory: Path) -> None:
    """Write a Qwen 2 in BF16 with two tokens that end an answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.gguf")
        write_decoder(path, FAMILIES["qwen2"], shape=ALIGNED, quant="BF16")
        file = GgufFile(path)
        write_checkpoint(directory, CHECKPOINTS["qwen2"], file, shape=ALIGNED)
        write_tokenizer(directory, file)
        (directory / "generation_config.json").write_text('{"eos_token_id": [2, 0]}')
