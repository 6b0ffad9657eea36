"""The tables of `docs/models.md`, measured: `python -m tests.graph.table` prints them; takes minutes."""

import tempfile
from pathlib import Path

import numpy as np

from forefront.engine.model.model import ModelOptions, PagedModel
from tests.graph import test_architectures as architectures
from tests.graph import test_quantization as quantization
from tests.support.models.llama_cpp import LlamaCpp
from tests.support.models.loaded import build
from tests.support.models.random_decoder import ALIGNED, CONTEXT, FAMILIES, LETTER, VOCABULARY, write_decoder
from tests.support.models.reference import ReferenceModel

# Their metadata has lists of layers and their widths.
_OWN_SHAPES = ("gemma4",)
# The formats that most files come in.
COMMON = ["F16", "Q8_0", "Q4_0", "Q4_K_M", "Q5_K", "Q6_K"]


def families() -> None:
    """Each variant's difference from llama.cpp, and each common format's from the same weights in F32."""
    print(f"| architecture, variant | F32 | {' | '.join(COMMON)} |")
    print(f"|---|---{'|---' * len(COMMON)}|")
    for name, family in FAMILIES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.gguf"
            write_decoder(path, family)
            model = PagedModel(build(path, path.with_name("cache")).graph, CONTEXT, architectures.EXACT)
            found = architectures.whole(model)
            other = LlamaCpp(path, VOCABULARY, LETTER)
            prompt = architectures.PROMPT
            wanted = [other.logprobs(prompt[: place + 1]) for place in range(len(prompt))]
            cells = [f"{np.abs(found - wanted).max():.5f}"]
        is_resized = family.shape.layers < 8 and "block_count" not in family.fields
        is_resized = is_resized and family.architecture not in _OWN_SHAPES
        cells += [f"{agreement(name, kind):.3f}" if is_resized else "" for kind in COMMON]
        print(f"| {family.architecture}: {name} | {' | '.join(cells)} |", flush=True)


def agreement(name: str, kind: str) -> float:
    """How often the most likely token with 8-bit activations is that with exact ones."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        write_decoder(path, FAMILIES[name], shape=ALIGNED, quant=kind)
        best = []
        for exact in (True, False):
            graph = build(path, path.with_name(f"cache-{exact}"), exact=exact).graph
            options = ModelOptions(contexts=1, kv_precision="f32", quantize_activations=not exact)
            best.append(architectures.whole(PagedModel(graph, CONTEXT, options)).argmax(-1))
        return float((best[0] == best[1]).mean())


def formats() -> None:
    """Each format's difference from NumPy: exact, with the weights rounded that are, and as served."""
    print("| format | exact: largest difference | as served: root mean square | likeliest token agrees | weights |")
    print("|---|---|---|---|---|")
    for kind in quantization.FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.gguf"
            write_decoder(path, FAMILIES["llama"], shape=ALIGNED, quant=kind)
            wanted = ReferenceModel(path).logits(quantization.PROMPT)
            exact, _ = quantization.logits(path, exact=True)
            served, precision = quantization.logits(path, exact=False)
            rms = np.sqrt(np.mean((served - wanted) ** 2))
            agree = (served.argmax(-1) == wanted.argmax(-1)).mean()
            weights = precision.removeprefix("weights ")
            print(f"| {kind} | {np.abs(exact - wanted).max():.5f} | {rms:.3f} | {agree:.3f} | {weights} |", flush=True)


if __name__ == "__main__":
    formats()
    print()
    families()
