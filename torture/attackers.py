"""Six projects, each at its worst in its own way, beside one that streams small answers."""

from tests.support.models.random_encoder import ENCODERS, write_encoder
from torture.abuse import Attack, soak_stores
from torture.abuser import EMBEDDER, RANKER
from torture.harness import Harness

_PROJECTS = {
    "engine": ("prompts", "scores", "aborts"),
    "streams": ("unread streams",),
    "bodies": ("unsent bodies", "bodies", "numbers"),
    "grammars": ("control tokens", "schemas", "regexes", "stop strings"),
    "vectors": ("embeddings", "rankings"),
    "contents": ("conversations", "stored responses", "idempotency keys"),
}


async def run(harness: Harness) -> None:
    """Two minutes, shared among the stores."""
    models = {EMBEDDER: "nomic-bert", RANKER: "bert, rank"}
    folder = harness.new_folder()
    for name, family in models.items():
        write_encoder(folder / f"{name}.gguf", ENCODERS[family])
    served = tuple(f"{name}={folder / name}.gguf" for name in models)
    await soak_stores(harness, Attack("attackers", _PROJECTS, served))
