"""llama.cpp as a reference: log-probabilities of a whole vocabulary, without rounding of the KV cache."""

import json
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xllamacpp


class LlamaCpp:
    """A GGUF file in llama.cpp, with one thread."""

    def __init__(self, path: Path, vocabulary: int, plain: int, context: int = 512) -> None:
        """`plain`: any token that is a letter."""
        options = xllamacpp.CommonParams()
        options.model.path = str(path)
        options.n_ctx = context
        options.n_parallel = 1
        options.n_gpu_layers = 0
        options.warmup = False
        options.verbosity = -1
        # Several would wait for each other in loops, which is slow where other programs run.
        options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
        options.cache_type_k = options.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        options.swa_full = True
        options.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._server = xllamacpp.Server(options)
        self._vocabulary = vocabulary
        self._plain = plain

    def logprobs(self, tokens: Sequence[int]) -> npt.NDArray[np.float64]:
        """[vocabulary]: natural logarithms of the probabilities of what follows; NaN where it says nothing."""
        request: dict[str, Any] = {
            "prompt": list(tokens),
            "n_predict": 1,
            "n_probs": self._vocabulary,
            "samplers": [],
            "cache_prompt": True,
            # The token itself is of no interest, but one that is no whole character would not be answered.
            "logit_bias": [[self._plain, 1e6]],
        }
        answer: dict[str, Any] = self._server.handle_completions(request)
        found = np.full(self._vocabulary, np.nan)
        for entry in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
            found[entry["id"]] = entry["logprob"]
        return found

    def next_logprob(self, tokens: Sequence[int], following: int) -> tuple[float, int]:
        """The natural logarithm of the probability that `following` comes next, and the top token. `following` is a
        whole character."""
        request: dict[str, Any] = {
            "prompt": list(tokens),
            "n_predict": 1,
            "n_probs": 1,
            "samplers": ["top_k"],
            "top_k": 1,
            "cache_prompt": True,
            "logit_bias": [[following, 1e6]],  # drawn for certain; the bias does not enter its probability
        }
        answer: dict[str, Any] = self._server.handle_completions(request)
        entry = answer["choices"][0]["logprobs"]["content"][0]
        assert entry["id"] == following
        return entry["logprob"], entry["top_logprobs"][0]["id"]

    def tokenize(self, text: str) -> list[int]:
        """The tokens of a text, without any before it."""
        body, headers = json.dumps({"content": text}).encode(), {"content-type": "application/json"}
        request = urllib.request.Request(f"{self._server.listening_address}/tokenize", body, headers)
        with urllib.request.urlopen(request) as response:
            tokens: list[int] = json.load(response)["tokens"]
        return tokens
