"""A real Chromium without a window, controlled over the pipes of its debugging protocol."""

import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.programs.debian import installed


class Page:
    """One tab, and everything that it reported. `events` grows while the browser is waited for."""

    def __init__(self, into: int, out: int) -> None:
        self.events: list[dict[str, Any]] = []
        self._into, self._out = into, out
        self._numbers = itertools.count(1)
        self._rest = b""
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """One command's result. Raises `RuntimeError` with the browser's reason."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") != number:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def open(self, url: str) -> None:
        """Load a page, to the end."""
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are awaited."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, condition: str, seconds: float = 30) -> None:
        """Return once the expression is true."""
        script = f"""new Promise((resolve, reject) => {{
            const look = () => {{ if ({condition}) resolve(true); else setTimeout(look, 20); }};
            setTimeout(() => reject(new Error("never true")), {seconds * 1000}); look(); }})"""
        self.run(script)

    def named(self, event: str) -> list[dict[str, Any]]:
        """What was reported under that name."""
        return [one["params"] for one in self.events if one.get("method") == event]

    def requests(self) -> list[str]:
        """The URLs of every request that the page made or tried to make."""
        return [one["request"]["url"] for one in self.named("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, of the log (which has violations of policies), and exceptions."""
        console = [one for one in self.named("Runtime.consoleAPICalled") if one["type"] in ("error", "warning")]
        log = [one["entry"] for one in self.named("Log.entryAdded") if one["entry"]["level"] in ("error", "warning")]
        return [json.dumps(one) for one in (*console, *log, *self.named("Runtime.exceptionThrown"))]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._out, 2**16)
            if not piece:
                raise RuntimeError("Chromium has ended")
            self._rest += piece
        text, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(text)
        return answer


@contextmanager
def open_page(seconds: float = 90, *flags: str) -> Iterator[Page]:
    """A browser with one empty tab, ended afterwards, and at the latest after `seconds`.

    Where Chromium is missing, tests that need it are skipped, loudly; with CI set, it is installed, or they fail.
    """
    program = chromium_program()
    folder = Path(tempfile.mkdtemp(prefix="forefront-chromium-"))
    to_read, into = os.pipe()
    out, to_write = os.pipe()
    command = [
        # It reads commands from 3 and writes to 4. (Shells need not know numbers of more than one digit.)
        "sh", "-c", f'exec "$@" 3</proc/self/fd/{to_read} 4>/proc/self/fd/{to_write}', "sh",
        program, "--headless", "--remote-debugging-pipe", f"--user-data-dir={folder}", "--no-sandbox", "--no-first-run",
        "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
        "--window-size=1280,900", *flags,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(to_read)
    os.close(to_write)
    alarm = threading.Timer(seconds, process.kill)
    alarm.start()
    try:
        yield Page(into, out)
    finally:
        alarm.cancel()
        process.kill()
        process.wait()
        os.close(into)
        os.close(out)
        shutil.rmtree(folder, ignore_errors=True)


def chromium_program() -> str:
    """The path of Debian's Chromium. Without it the test is skipped; with CI set it is installed, or the test fails."""
    return installed(_find, "chromium", "Chromium is not installed, so that NO page is tested in a browser")


def _find() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
