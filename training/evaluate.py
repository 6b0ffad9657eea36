"""Ask a served model questions that training never saw, and print how many answers were right, area by area.

`python -m training.evaluate [MODEL.gguf]` starts `forefront serve` and asks over HTTP, as any client would.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from tqdm import tqdm

from training.dialogues import AREAS, Dialogue, elsewhere, make
from training.dialogues.side import Side
from training.render import plain_message

BUILT_IN = Path("src/forefront/catalog/builtin/forefront-mini.gguf")
TARGETS = {
    "recipes": 98, "system prompt": 95, "memory": 97, "arithmetic": 95, "text work": 93, "JSON": 95, "tools": 95,
    "Forefront itself": 95, "conversation": 95, "everything else": 95,
}  # fmt: skip
_KEY = "evaluation-key-0123456789"
_PARALLEL = 16


def main() -> None:
    """Read the command line, serve, ask and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", type=Path, default=BUILT_IN, help="GGUF file (default: the built-in model)")
    parser.add_argument("--questions", type=int, default=300, help="questions per area (default 300)")
    parser.add_argument("--mixed", type=int, default=1000, help="mixed questions at temperature 0.7 (default 1000)")
    parser.add_argument("--failures", type=int, default=0, help="failed answers to show per area (default none)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "FOREFRONT_HOME": home, "FOREFRONT_API_KEY": _KEY, "PORT": "0"}
        command = [sys.executable, "-m", "forefront.cli", "serve", f"mini={options.model}"]
        # A file, because a full, unread pipe would stop the server.
        log = Path(home) / "serve.log"
        with (
            log.open("w") as output,
            subprocess.Popen(command, env=environment, stdout=output, stderr=output) as server,
        ):
            try:
                asyncio.run(_evaluate(_address(server, log), options))
            finally:
                server.terminate()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    while server.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            return found[0]
        time.sleep(0.1)
    raise SystemExit("the server did not start:\n" + log.read_text())


async def _evaluate(url: str, options: argparse.Namespace) -> None:
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {_KEY}"}, timeout=300) as client:
        print(f"| area | right of {options.questions} | target |\n|---|---|---|")
        refused = 0
        for name in AREAS:
            refused += await _area(client, name, options)
        inside = options.questions * (len(AREAS) - 1)
        print(f"\nFalse refusals inside the areas: {refused} of {inside} ({100 * refused / inside:.2f} %)")
        if options.mixed:
            await _odd(client, options.questions)
            await _mixed(client, options.mixed)


async def _area(client: httpx.AsyncClient, name: str, options: argparse.Namespace) -> int:
    """Print one line of the table; how many questions of the area the model refused."""
    side = Side(7, held_out=True)
    questions = [AREAS[name].make(side) for _ in range(options.questions)]
    answers = await ask_all(client, "mini", questions, 0.0)
    failed = [(d, text) for d, (text, _) in zip(questions, answers, strict=True) if not d.check(text)]
    print(f"| {name} | {100 * (1 - len(failed) / len(questions)):.1f} % | {TARGETS[name]} % |", flush=True)
    for dialogue, text in failed[: options.failures]:
        asking = dialogue.messages[-1]["content"]
        print(f"    {asking!r}\n      wanted {dialogue.answer!r}\n      got    {text!r}")
    if name == elsewhere.AREA:
        return 0
    return sum("small demonstration model" in text and "forefront-mini" not in text for text, _ in answers)


async def _odd(client: httpx.AsyncClient, count: int) -> None:
    side = Side(9, held_out=True)
    questions = [elsewhere.odd(side) for _ in range(count)]
    answers = await ask_all(client, "mini", questions, 0.0)
    good = sum(d.check(text) and reason == "stop" for d, (text, reason) in zip(questions, answers, strict=True))
    print("Odd input (nothing, nonsense, control tokens, other languages, pastes):", end=" ")
    print(f"{good} of {count} got a short answer that says what the model is.")


async def _mixed(client: httpx.AsyncClient, count: int) -> None:
    side = Side(8, held_out=True)
    answers = await ask_all(client, "mini", [make(side) for _ in range(count)], 0.7)
    cut = sum(reason == "length" for _, reason in answers)
    looped = sum(_repeats(text) for text, _ in answers)
    print(f"Of {count} mixed prompts at temperature 0.7, {cut} ran into 400 tokens,", end=" ")
    print(f"{looped} repeated a sentence three times.")


async def ask_all(
    client: httpx.AsyncClient, model: str, questions: list[Dialogue], temperature: float
) -> list[tuple[str, str]]:
    """Texts and finish reasons of the model's answers to many questions, a few at a time."""
    limit = asyncio.Semaphore(_PARALLEL)
    with tqdm(total=len(questions), leave=False, disable=not sys.stderr.isatty()) as bar:

        async def one(index: int, dialogue: Dialogue) -> tuple[str, str]:
            async with limit:
                answer = await _ask(client, model, dialogue, temperature, index)
            bar.update()
            return answer

        return await asyncio.gather(*(one(index, dialogue) for index, dialogue in enumerate(questions)))


async def _ask(
    client: httpx.AsyncClient, model: str, dialogue: Dialogue, temperature: float, seed: int
) -> tuple[str, str]:
    body: dict[str, Any] = {
        "model": model, "messages": dialogue.messages, "temperature": temperature, "seed": seed, "max_tokens": 400,
        **({"tools": dialogue.tools} if dialogue.tools else {}),
    }  # fmt: skip
    reply = await client.post(
        "/v1/chat/completions", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    if reply.status_code != 200:
        raise SystemExit(f"{reply.status_code}: {reply.text}")
    choice = reply.json()["choices"][0]
    # A call is judged as the text that the model was taught.
    return plain_message(choice["message"])["content"], choice["finish_reason"]


def _repeats(text: str) -> bool:
    sentences = [part.strip() for part in re.split(r"[.!?\n]+", text) if len(part.strip()) > 3]
    return any(count >= 3 for count in Counter(sentences).values())


if __name__ == "__main__":
    main()
