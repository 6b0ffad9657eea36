"""Run as a child process: write the tokenizer's graphs of one GGUF file.

`python -m forefront.catalog.tokenizer_conversion MODEL.gguf DIRECTORY` writes `openvino_tokenizer.xml` and
`openvino_detokenizer.xml`. A process of its own, because a broken or hostile file may bring the library down. Exit
status 0, or 1 with one line on standard error.
"""

import sys
from pathlib import Path

from forefront.catalog.splitting import restore_splitting
from forefront.graph.gguf_file import GgufFile


def main() -> int:
    """Convert as the command line says."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        file = GgufFile(source)
        write_graphs(file.paths[0], target)
        restore_splitting(target / "openvino_tokenizer.xml", file.metadata)
    except Exception as error:
        print(" ".join(str(error).split())[:500] or type(error).__name__, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def write_graphs(source: Path, target: Path) -> None:
    """Let OpenVINO GenAI read the vocabulary; it writes its results beside the file, so it gets a link in `target`."""
    import forefront.engine.runtime  # noqa: F401 - first, because it keeps OpenVINO from reporting

    # isort: split
    import openvino_genai

    link = target / "model.gguf"
    link.symlink_to(source)
    openvino_genai.Tokenizer(str(link), enable_save_ov_model=True)
    link.unlink()


if __name__ == "__main__":
    sys.exit(main())
