"""The pages in docs/operate do what they say: their commands, in their order, against a running server."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from forefront.cli.settings.config import Config, load_config
from tests.support.server import KEY, run_server

PAGES = Path("docs/operate")


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language on a page, in order."""
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / f"{page}.md").read_text(), re.DOTALL)


def shell(script: str, home: Path, **variables: str) -> str:
    """Run a block as a reader would; its output."""
    folder = home.parent / "bin"
    if not folder.exists():
        folder.mkdir()
        (folder / "forefront").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m forefront.cli "$@"\n')
        (folder / "forefront").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREFRONT")}
    environment |= {"FOREFRONT_HOME": str(home), "PATH": f"{folder}:{os.environ['PATH']}", "COLUMNS": "200"} | variables
    run = subprocess.run(
        ["bash", "-euc", script], env=environment, capture_output=True, text=True, timeout=100, cwd=home.parent
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
def test_a_new_user_spends_a_budget_and_sees_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    create, curl, usage, keys = blocks("keys", "sh")
    transfer, prune = blocks("backups", "sh")
    with run_server([], home, key=KEY) as server:
        made = shell(create, home)
        found = re.search(r"\bff-\w{43}\b", made)
        assert found is not None
        assert "100 tokens/month" in made
        ask = curl.replace("curl ", "curl --silent --include ")
        answers = [shell(ask, home, URL=server.url, KEY=found[0]) for _ in range(12)]
        assert answers[0].startswith("HTTP/1.1 200")
        assert answers[-1].startswith("HTTP/1.1 403")
        assert "insufficient_credits" in answers[-1]
        assert "x-should-retry: false" in answers[-1]
        spent = [json.loads(text.split("\n\n")[1])["usage"] for text in answers if text.startswith("HTTP/1.1 200")]
        shown = shell(usage, home)
        table, csv = shown[: shown.index("day,key,")], shown[shown.index("day,key,") :]
        total = sum(one["total_tokens"] for one in spent)
        assert 0 < total <= 100
        _, _, requests, given, cached, sampled, reasoning, cost, estimated = csv.splitlines()[1].split(",")
        assert (int(requests), int(given) + int(sampled), estimated) == (len(spent), total, "0")
        assert (int(cached), reasoning, cost) == (
            sum(one["prompt_tokens_details"]["cached_tokens"] for one in spent),
            "0",
            "0",
        )
        assert re.search(rf"shop +forefront-mini +{requests} ", table)
        listed = shell(keys, home)
        for name in ("mobile app", "20000 tokens/min", "600 requests/min, 25/month"):
            assert name in listed
    assert "0 completions" in shell(prune, home)
    target = f"sqlite:///{tmp_path}/new/forefront.db"
    assert "rows read" in shell(transfer, home, NEW_DATABASE=target)
    assert shell("forefront usage --csv", home) == shell("forefront usage --csv", home, FOREFRONT_DATABASE_URL=target)


def test_the_settings_that_are_shown_are_valid(tmp_path: Path) -> None:
    plain, *others = blocks("settings", "toml")
    path = tmp_path / "forefront.toml"
    for shown in (plain, *others, *blocks("scaling", "toml")):
        path.write_text(shown)
        assert load_config(path, {}) != Config()
    assert tomllib.loads(plain)["log"]["format"] == "json"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("keys create ''", "`name`"),
        ("keys create x --scope root", "scopes"),
        ("keys create $'a\\u202eb'", "`name`"),
        ("keys create $'a\\xffb'", "`name`"),
        ("keys create x --model $'a\\u200bb'", "`models[0]`"),
        ("keys create ' x'", "`name`"),
        ("keys create x --project 'a b'", "`project`"),
        ("keys create x --budget 100", "is not a budget such as"),
        ("keys create x --budget 1/day --budget 2/day", "one amount"),
        ("keys create x --budget '1.5 tokens/day'", "whole number"),
        ("keys create x --budget '9007199254740993 tokens/day'", "`tokens`"),
        ("keys create x --expires soon", "is not a day"),
        ("keys create x --expires 2020-01-01", "`expires` must be in the future"),
        ("keys create x --expires 0d", "`expires` must be in the future"),
        ("keys show key_none", "there is no key"),
        ("keys revoke key_none", "there is no key"),
        ("keys rotate key_none", "no active key"),
        ("projects set '../x'", "project's name"),
        ("projects set x --rpm many", "--rpm 'many' is neither a number nor `none`"),
        ("projects set x --tpm 0", "`tokens_per_minute`"),
        ("projects set x --budget none --budget 1/day", "is not a budget such as"),
        ("usage --by hour", "`by` takes"),
        ("usage --since yesterday", "must be a day"),
        ("prune --before soon --yes", "is not a day"),
        ("prune --before 2999-01-01 --yes", "not over yet"),
        ("import missing.jsonl", "cannot be read"),
        ("export /no/such/folder/x", "cannot be written"),
    ],
)
def test_wrong_commands_end_with_one_line(tmp_path: Path, command: str, message: str) -> None:
    script = f"forefront {command} 2>&1 && exit 7 || test $? = 1"
    output = shell(script, tmp_path / "home")
    assert message in output
    assert "Traceback" not in output
    assert len(output.strip().splitlines()) == 1
