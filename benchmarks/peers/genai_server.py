"""OpenVINO GenAI's continuous batching behind a small HTTP server, in one thread.

`step()` holds the interpreter lock, so a second thread would only wait: one loop reads requests, runs a step and writes
its tokens. Runs in the environment of `openvino-genai`, so it imports nothing else.

Usage: `genai_server.py convert MODEL.gguf FOLDER`, then `genai_server.py serve FOLDER THREADS`.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino_genai as genai

_CACHE_GIB = 2
_SEQUENCES = 64


def convert(source: Path, folder: Path) -> None:
    """Write the model of a GGUF file as OpenVINO IR into `folder`."""
    folder.mkdir(parents=True)
    link = folder / "model.gguf"
    link.symlink_to(source)
    genai.LLMPipeline(str(link), "CPU", enable_save_ov_model=True)
    link.unlink()


class Answer:
    """A request's handle in the pipeline, and the queue of its tokens; None ends it."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.tokens: asyncio.Queue[list[int] | None] = asyncio.Queue()


class Server:
    """The pipeline and its requests."""

    def __init__(self, folder: Path, threads: int) -> None:
        scheduler = genai.SchedulerConfig()
        scheduler.cache_size = _CACHE_GIB
        scheduler.max_num_seqs = _SEQUENCES
        scheduler.dynamic_split_fuse = True
        scheduler.enable_prefix_caching = True
        properties = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        self._pipeline = genai.ContinuousBatchingPipeline(str(folder), scheduler, "CPU", properties)
        self._tokenizer = self._pipeline.get_tokenizer()
        self._answers: set[Answer] = set()
        self._count = 0
        self._arrived = asyncio.Event()

    async def run(self) -> None:
        """Run steps for ever. Waits while there is nothing to do."""
        while True:
            if not self._answers:
                self._arrived.clear()
                await self._arrived.wait()
            self._pipeline.step()
            for answer in tuple(self._answers):
                self._deliver(answer)
            await asyncio.sleep(0)  # requests are read and answers are written here

    def _deliver(self, answer: Answer) -> None:
        handle = answer.handle
        while handle.can_read():
            outputs = handle.read()
            answer.tokens.put_nowait([token for output in outputs.values() for token in output.generated_ids])
        if handle.get_status() != genai.GenerationStatus.RUNNING:
            answer.tokens.put_nowait(None)
            self._answers.discard(answer)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection with one request."""
        answer = None
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if head.startswith("get"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                return
            [length] = [line[15:] for line in head.split("\r\n") if line.startswith("content-length:")]
            fields = json.loads(await reader.readexactly(int(length)))
            prompt = self._tokens(fields)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            answer = self._submit(prompt, fields["max_tokens"])
            count = 0
            while (tokens := await answer.tokens.get()) is not None:
                count += len(tokens)
                writer.write(_event({"choices": [{"index": 0, "delta": {"content": self._tokenizer.decode(tokens)}}]}))
                await writer.drain()
            usage = {"prompt_tokens": prompt.shape[1], "completion_tokens": count}
            writer.write(_event({"choices": [], "usage": usage}) + b"data: [DONE]\n\n")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            if answer is not None and answer in self._answers:
                answer.handle.stop()
                self._answers.discard(answer)
            writer.close()

    def _tokens(self, fields: dict[str, Any]) -> Any:
        if "prompt" in fields:
            return np.array([fields["prompt"]], np.int64)
        text = self._tokenizer.apply_chat_template(fields["messages"], add_generation_prompt=True)
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).input_ids.data)

    def _submit(self, prompt: Any, tokens: int) -> Answer:
        settings = genai.GenerationConfig(max_new_tokens=tokens, do_sample=False, ignore_eos=True)
        self._count += 1
        answer = Answer(self._pipeline.add_request(self._count, ov.Tensor(prompt), settings))
        self._answers.add(answer)
        self._arrived.set()
        return answer


def _event(fields: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


async def serve(folder: Path, threads: int) -> None:
    """Serve on a free port, which is printed."""
    server = Server(folder, threads)
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    print(f"port {listening.sockets[0].getsockname()[1]}", flush=True)
    await server.run()


if __name__ == "__main__":
    if sys.argv[1] == "convert":
        convert(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        asyncio.run(serve(Path(sys.argv[2]), int(sys.argv[3])))
