"""llama.cpp's tokenizer as a reference: the C interface of the library in the package `xllamacpp`."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import xllamacpp

# Where `vocab_only` is in `llama_model_params` (`include/llama.h`); the structure itself is smaller than this one.
_VOCAB_ONLY = 72


class _ModelParams(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_ubyte * 512)]


@cache
def _library() -> ctypes.CDLL:
    (path,) = Path(xllamacpp.__file__).parent.glob("*.so")
    library = ctypes.CDLL(str(path))
    library.llama_model_default_params.restype = _ModelParams
    library.llama_model_load_from_file.restype = ctypes.c_void_p
    library.llama_model_load_from_file.argtypes = [ctypes.c_char_p, _ModelParams]
    library.llama_model_get_vocab.restype = ctypes.c_void_p
    library.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
    library.llama_vocab_is_eog.restype = ctypes.c_bool
    library.llama_vocab_is_eog.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    ids = ctypes.POINTER(ctypes.c_int32)
    text: list[Any] = [ctypes.c_char_p, ctypes.c_int32]
    library.llama_tokenize.argtypes = [ctypes.c_void_p, *text, ids, ctypes.c_int32, ctypes.c_bool, ctypes.c_bool]
    log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
    silent = log(lambda *_: None)
    library.llama_log_set(silent, None)
    library.__dict__["silent"] = silent  # or it would be freed while the library calls it
    library.llama_backend_init()
    return library


class LlamaVocabulary:
    """The vocabulary of a GGUF file; the file needs no tensors."""

    def __init__(self, path: Path) -> None:
        params = _library().llama_model_default_params()
        params.bytes[_VOCAB_ONLY] = 1
        model = _library().llama_model_load_from_file(str(path).encode(), params)
        assert model, f"llama.cpp does not take {path}"
        self._vocabulary = _library().llama_model_get_vocab(model)

    def encode(self, text: str, *, add_special: bool = False) -> list[int]:
        """The tokens of `text`, control tokens recognised; `add_special`: with BOS and EOS as the file says."""
        data = text.encode()
        size = len(data) + 8
        ids = (ctypes.c_int32 * size)()
        count = _library().llama_tokenize(self._vocabulary, data, len(data), ids, size, add_special, True)
        assert count >= 0
        return list(ids[:count])

    def ends(self, token: int) -> bool:
        """Whether the token ends an answer."""
        ends: bool = _library().llama_vocab_is_eog(self._vocabulary, token)
        return ends
