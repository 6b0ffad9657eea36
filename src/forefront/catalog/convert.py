"""Run as a child process: turn one GGUF file into a directory that the engine can load.

`python -m forefront.catalog.convert MODEL.gguf DIRECTORY` writes OpenVINO IR, the tokenizer's metadata and
`facts.json`. A process of its own, because a broken or hostile file may bring the converter down, and because
converting takes several times the memory of serving. Exit status 0, or 1 with one line on standard error.
"""

import json
import sys
from pathlib import Path
from typing import Any

import gguf

from forefront.catalog.gguf_file import GgufFile
from forefront.catalog.gguf_header import check_header
from forefront.catalog.restore import restore
from forefront.catalog.rotary import scaled_frequencies
from forefront.tokenizer.gguf import gguf_tokenizer
from forefront.tokenizer.load import METADATA_FILE


def main() -> int:
    """Convert as the command line says."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        facts = convert(source, target)
    except Exception as error:
        print(" ".join(str(error).split())[:500] or type(error).__name__, file=sys.stderr)  # noqa: T201
        return 1
    (target / "facts.json").write_text(json.dumps(facts))
    return 0


def convert(source: Path, target: Path) -> dict[str, Any]:
    """Write the graphs into `target`; return the facts. What it raises for a file has a text for its user."""
    check_header(source)
    file = GgufFile(source)
    facts = read_facts(file)
    tokenizer = file.values("tokenizer.") | file.values("general.name")
    # What these two refuse is better refused before minutes of converting.
    gguf_tokenizer(tokenizer)
    scaled_frequencies(file)
    write_ir(source, target)
    restore(target / "openvino_model.xml", file)
    # OpenVINO writes a tokenizer too, which follows few of the rules by which texts are split.
    for graph in target.glob("openvino_*tokenizer.*"):
        graph.unlink()
    (target / METADATA_FILE).write_text(json.dumps(tokenizer))
    return facts


def read_facts(file: GgufFile) -> dict[str, Any]:
    """The metadata that the converted files lose: context in tokens, tokens that end an answer, quantisation."""
    ends = [file.value(f"tokenizer.ggml.{kind}_token_id") for kind in ("eos", "eot", "eom")]
    file_type = file.value("general.file_type")
    return {
        "architecture": file.architecture,
        "context_length": file.value(".context_length"),
        "end_tokens": [token for token in ends if token is not None],
        "quantization": None if file_type is None else gguf.LlamaFileType(file_type).name.removeprefix("MOSTLY_"),
    }


def write_ir(source: Path, target: Path) -> None:
    """Let OpenVINO GenAI read the file; it writes its results beside it, so it is shown a link in `target`."""
    import forefront.engine.runtime  # noqa: F401 - first, because it keeps OpenVINO from reporting

    # isort: split
    import openvino_genai

    link = target / "model.gguf"
    link.symlink_to(source)
    openvino_genai.LLMPipeline(str(link), "CPU", enable_save_ov_model=True)
    link.unlink()


if __name__ == "__main__":
    sys.exit(main())
