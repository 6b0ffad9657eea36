"""Run as a child process: turn one GGUF file into a directory that the engine can load.

`python -m forefront.catalog.convert MODEL.gguf DIRECTORY MIB SECONDS` writes OpenVINO IR, the tokenizer's graphs and
`facts.json`, with so much memory and processor time at most. A process of its own, because a broken or hostile file may
bring the converter down, and because converting takes several times the memory of serving. Exit status 0, or 1 with one
line on standard error.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import gguf

from forefront.catalog.gguf_file import GgufFile
from forefront.catalog.gguf_numbers import check_numbers
from forefront.catalog.restore import restore
from forefront.catalog.rotary import scaled_frequencies
from forefront.catalog.splitting import restore_splitting
from forefront.chat.child import bound_memory, bound_processor_time
from forefront.engine.runtime import plain_reason

# By the number that a file has for its kind of weights.
_FILE_TYPES: Final = {int(kind): kind.name.removeprefix("MOSTLY_") for kind in gguf.LlamaFileType}


def main() -> int:
    """Convert as the command line says."""
    source, target, memory, seconds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    bound_memory(memory * 2**20)
    bound_processor_time(seconds)
    try:
        facts = convert(source, target)
    except MemoryError:
        return _refuse(f"it takes more than {memory} MiB of memory")
    except Exception as error:
        reason = plain_reason(error)
        # OpenVINO reports an allocation that failed as an error like any other.
        if "bad_alloc" in reason or "Resource temporarily unavailable" in reason:
            return _refuse(f"it takes more than {memory} MiB of memory")
        return _refuse(reason)
    (target / "facts.json").write_text(json.dumps(facts))
    return 0


def _refuse(reason: str) -> int:
    print(reason[:500], file=sys.stderr)  # noqa: T201
    return 1


def convert(source: Path, target: Path) -> dict[str, Any]:
    """Write the graphs into `target`; return the facts. What it raises for a file has a text for its user."""
    file = GgufFile(source)
    check_numbers(file)
    facts = read_facts(file)
    scaled_frequencies(file)  # what it refuses is better refused before minutes of converting
    write_ir(source, target)
    restore(target / "openvino_model.xml", file)
    restore_splitting(target / "openvino_tokenizer.xml", file)
    return facts


def read_facts(file: GgufFile) -> dict[str, Any]:
    """The metadata that the converted files lose: context in tokens, tokens that end an answer, quantisation."""
    ends = [file.value(f"tokenizer.ggml.{kind}_token_id") for kind in ("eos", "eot", "eom")]
    file_type = file.integer("general.file_type", 0, 2**31, 2**31)
    return {
        "architecture": file.architecture,
        "context_length": file.value(".context_length"),
        "end_tokens": [token for token in ends if token is not None],
        "quantization": _FILE_TYPES.get(file_type),
    }


def write_ir(source: Path, target: Path) -> None:
    """Let OpenVINO GenAI read the file; it writes its results beside it, so it is shown a link in `target`."""
    import openvino_genai

    link = target / "model.gguf"
    link.symlink_to(source)
    openvino_genai.LLMPipeline(str(link), "CPU", enable_save_ov_model=True)
    link.unlink()


if __name__ == "__main__":
    sys.exit(main())
