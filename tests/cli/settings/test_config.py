"""Settings: read from file and environment, refused with the place and the reason, all of them documented."""

import json
import logging
import os
import re
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from forefront.cli.serving.logs import set_up_logging
from forefront.cli.settings.config import (
    Config,
    ConfigError,
    environment_variable,
    find_config,
    load_config,
    setting_names,
)
from forefront.cli.settings.environment import _OTHER_VARIABLES, unknown_variables
from forefront.wire.completions.message import Message
from tests.cli.commands.test_serve import forefront
from tests.support.server import KEY, run_server

FULL = """
[server]
port = 9000
cors_origins = ["https://app.example"]
[store]
url = "sqlite:////srv/forefront.db"
[log]
format = "json"
prompts = true
[queue]
waiting = 5
[prices."forefront-mini"]
input = 0.1
output = 0.4
"""


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    path = tmp_path / "forefront.toml"
    path.write_text(FULL)
    config = load_config(path, {"PORT": "9001", "FOREFRONT_LOG_PROMPTS": "false"})
    assert (config.server.port, config.server.host, config.queue.waiting) == (9001, "127.0.0.1", 5)
    assert (config.log.format, config.log.prompts, config.store.url) == ("json", False, "sqlite:////srv/forefront.db")
    assert config.prices["forefront-mini"].output == 0.4
    listed = load_config(None, {"FOREFRONT_SERVER_CORS_ORIGINS": "https://a.example, https://b.example"})
    assert listed.server.cors_origins == ["https://a.example", "https://b.example"]
    assert load_config(None, {}) == Config()


@pytest.mark.parametrize(
    ("text", "expected_message"),
    [
        ("[server]\nport =\n", r"forefront.toml is not TOML: .*line 2"),
        ("[serv]\n", "there is no setting `serv`; did you mean `server`"),
        ("port = 1\n", r"there is no setting `port`; it is a setting of \[server\]"),
        ("[server]\nsource = 'x'\n", r"\[server\] has no setting `source`; it is a setting of \[models.NAME\]"),
        ("[server]\nprot = 5\n", r"\[server\] has no setting `prot`; did you mean `port`"),
        ("[server]\nport = 70000\n", "`server.port` must be an integer of at most 65535"),
        ("[server]\nport = '8000'\n", "`server.port` must be an integer, not a string"),
        ("server = 5\n", "`server` must be an object"),
        ("[log]\nformat = 'xml'\n", "forefront.toml: `log.format` cannot be 'xml', only human, json$"),
        ("[server]\ntls_key = 'k.pem'\n", "go together"),
        ("[server]\ntls_key = '/no/k.pem'\ntls_certificate = '/no/c.pem'\n", "/no/c.pem cannot be read"),
        ("[server]\ncors_origins = ['example.com/x']\n", "forefront.toml: `server.cors_origins`: .* is not an origin"),
        *(
            (f"[redis]\nurl = '{url}'\n", r"forefront.toml: `redis.url` is not an address such as redis://host:6379/0$")
            for url in (
                "http://:secret@host",
                "redis://host:port/0",
                "redis://host:70000/0",
                "redis://host/limits",
                "redis://:secret@host/0/1",
                "redis:///0",
                "unix://path",
                "",
            )
        ),
        (
            "[store]\nurl = 'postgresql://u:secret@host:70000/x'\n",
            "`store.url`: the port .* is not between 1 and 65535$",
        ),
        ("[prices.m]\n[prices.n]\ninput = -1\noutput = 1\n", "`prices.n.input` must be a number of at least 0"),
        ("[prices.'n 2.5']\noutput = '1'\n", '`prices."n 2.5".output` must be a number, not a string'),
        ("[prices.m]\ninput = nan\noutput = 1\n", "prices.m.input"),
        ("[prices.m]\n[prices.n]\ninptu = 1\n", r"\[prices.n\] has no setting `inptu`; did you mean `input`"),
        ("[prices]\nm = 1\n", "`prices.m` must be an object"),
        ("[models]\nmemory = '8 GiB'\n", "`models.memory` must be an object, not a string"),
        ("[models.m]\n", "`models.m.source` is missing: a model has either `source` or `upstream`"),
        ("[models.m]\nsource = 'x'\nupstream = 'http://h'\n", "`models.m.upstream` cannot be combined with `source`"),
        ("[models.m]\nupstream = 'http://h'\nthreads = 2\n", "`models.m.threads` cannot be combined with `upstream`"),
        ("[models.m]\nsource = 'x'\ndialect = 'vllm'\n", "`models.m.dialect` cannot be combined with `source`"),
        (
            "[models.m]\nsource = 'x'\nengine = 'vlm'\n",
            "`models.m.engine` cannot be 'vlm', only auto, forefront, llama",
        ),
        ("[models.m]\nsource = 'x'\nquantize = 'int2'\n", "`models.m.quantize` cannot be 'int2', only int8, int4"),
        ("[models.m]\nsource = 'x'\nengine_args = ['-x']\n", "`models.m.engine_args` needs an `engine` with arguments"),
        ("[models.m]\nsource = 'x'\nengine = 'vllm'\nquantize = 'int8'\n", "cannot be combined with the engine vllm"),
        *(
            (f"[models.m]\nsource = 'x'\nkeep = '{keep}'\n", "`models.m.keep`: .* is not a time such as 30s, 10m or 2h")
            for keep in ("10", "10 m", "10min", "-1m", "ever", "", "1.5h", "1m30s", "٣m", "Always")
        ),
        ("[models.'m 1']\nsource = 'x'\n", '`models."m 1"`: a model\'s name has letters'),
        ("[models.'m.1']\nsuorce = 'x'\n", r'\[models."m.1"\] has no setting `suorce`; did you mean `source`'),
        ("[models.m]\nupstream = []\n", "`models.m.upstream` must have at least 1 item"),
        ("[models.m]\nupstream = 'http://h'\nupstream_key = 'sk-secret'\n", "must be env:NAME, an environment v"),
        ("[models.m]\nsource = ''\n", "`models.m.source` must have at least 1 character"),
        (
            "[models.m]\nsource = 'x'\ncontext_length = 0\n",
            "`models.m.context_length` must be an integer of at least 1",
        ),
        ("[store]\nurl = 'mysql://user:secret@host/x'\n", "`store.url`: mysql is not supported"),
        ("[store]\nurl = '/srv/forefront.db'\n", "`store.url`: the database's address is not a URL such as"),
    ],
)
def test_invalid_settings_name_their_source(tmp_path: Path, text: str, expected_message: str) -> None:
    path = tmp_path / "forefront.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected_message):
        load_config(path, {})


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://host/",
        "rediss://user:pass@host:6379/0?health_check_interval=5",
        "redis://[::1]:6379/15",
        "redis://:p%2Fss@host:6379",
        "unix:///run/redis.sock?db=1",
        "unix://user:pass@/run/redis.sock",
    ],
)
def test_addresses_of_redis(tmp_path: Path, url: str) -> None:
    assert load_config(None, {"FOREFRONT_REDIS_URL": url}).redis.url == url


def test_an_invalid_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"environment variable PORT: `server.port` must be an integer"):
        load_config(None, {"PORT": "eighty"})
    with pytest.raises(ConfigError, match=r"environment variable FOREFRONT_DATABASE_URL: `store.url`: mysql is not"):
        load_config(None, {"FOREFRONT_DATABASE_URL": "mysql://host/x"})
    with pytest.raises(ConfigError, match=r"environment variable FOREFRONT_LOG_LEVEL: .* only debug, info, warning, e"):
        load_config(None, {"FOREFRONT_LOG_LEVEL": "DEBUG"})
    with pytest.raises(ConfigError, match=r"environment variable FOREFRONT_SERVER_CORS_ORIGINS: `server.cors_origins`"):
        load_config(None, {"FOREFRONT_SERVER_CORS_ORIGINS": "example.com"})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "missing.toml", {})


def test_the_working_directory_takes_precedence_over_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    assert find_config(None, home) is None
    (home / "forefront.toml").touch()
    assert find_config(None, home) == home / "forefront.toml"
    (tmp_path / "forefront.toml").touch()
    assert find_config(None, home) == Path("forefront.toml")
    assert find_config(Path("x"), home) == Path("x")


def test_every_setting_is_documented() -> None:
    page = Path("docs/operate/settings.md").read_text()
    for name, environment in setting_names():
        shown = re.sub(r"^(models|prices)\.", r"\1.NAME.", name)
        assert f"`{shown}`" in page, f"the page does not have {shown}"
        assert environment is None or f"`{environment}`" in page, f"the page does not have {environment}"
    for shown in re.findall(r"^\| `([a-z]+\.[a-z_]+)` ", page, re.MULTILINE):
        assert shown in dict(setting_names()), f"the page has {shown}, which is no setting"
        assert environment_variable(shown)


@pytest.mark.parametrize("name", sorted(_OTHER_VARIABLES - {"FOREFRONT_TEST_KEY", "FOREFRONT_TEST_KEY_ID"}))
def test_every_other_variable_is_documented(name: str) -> None:
    assert f"| `{name}` |" in Path("docs/operate/settings.md").read_text()


def test_documented_defaults_are_those_of_the_program() -> None:
    page, settings = Path("docs/operate/settings.md").read_text(), Config()
    rows = re.findall(r"^\| `([a-z]+)\.([a-z_]+)` .*\| `([^`|]+)` \|$", page, re.MULTILINE)
    assert len(rows) > 20
    for section, name, shown in rows:
        default = getattr(getattr(settings, section), name)
        assert str(default).removesuffix(".0").lower() == shown, f"{section}.{name}"


def test_config_check(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(FULL)
    bad.write_text("[server]\nport = 'x'\n")
    assert "is in order" in forefront("config", "check", "--config", str(good), home=tmp_path).stdout
    result = forefront("config", "check", "--config", str(bad), home=tmp_path)
    assert result.returncode == 1
    assert "`server.port` must be an integer, not a string" in result.stderr
    assert forefront("serve", "--config", str(bad), home=tmp_path).returncode == 1
    bad.write_text("[server]\nprot = 5\n")
    assert "[server] has no setting `prot`" in forefront("serve", "--config", str(bad), home=tmp_path).stderr


def test_config_check_reads_upstreams_and_files_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "file.toml"
    for upstream, message in (
        ("upstream = 'localhost:8000'", "`models.a.upstream` is not a URL such as"),
        ("upstream = 'http://a/v1'\nupstream_key = 'env:NO_SUCH_KEY'", "`models.a.upstream_key`: "),
    ):
        file.write_text(f"[models.a]\n{upstream}\n", encoding="utf-8-sig")
        result = forefront("config", "check", "--config", str(file), home=tmp_path)
        assert (result.returncode, message in result.stderr) == (1, True), result.stderr


def test_config_check_looks_at_the_environment(tmp_path: Path) -> None:
    typos = {"FOREFRONT_LOG_FROMAT": "json", "FOREFRONT_DATABSE_URL": "sqlite:////x.db", "FOREFRONT_API_KEY": "short"}
    result = forefront("config", "check", home=tmp_path, **typos)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "forefront: the environment variable `FOREFRONT_DATABSE_URL` is not known; "
        "did you mean `FOREFRONT_DATABASE_URL`?",
        "forefront: the environment variable `FOREFRONT_LOG_FROMAT` is not known; did you mean `FOREFRONT_LOG_FORMAT`?",
        "forefront: FOREFRONT_API_KEY must have at least 20 visible ASCII characters",
    ]
    right = {"FOREFRONT_LOG_FORMAT": "json", "FOREFRONT_API_KEY": KEY, "FOREFRONT_BASE_URL": "http://127.0.0.1:1"}
    assert forefront("config", "check", home=tmp_path, **right).returncode == 0


@pytest.mark.parametrize(
    ("name", "value", "expected_message"),
    [
        ("FOREFRONT_SERVER_PORT", "9000", "did you mean `PORT`?"),
        ("FOREFRONT_HOST", "0.0.0.0", "did you mean `HOST`?"),
        ("FOREFRONT_STORE_URL", "sqlite:////x.db", "did you mean `FOREFRONT_DATABASE_URL`?"),
        ("FOREFRONT_HOEM", "/srv", "did you mean `FOREFRONT_HOME`?"),
        ("FOREFRONT_XYZZY", "1", "is not known"),
        ("FOREFRONT_XYZZY", "", None),
        ("FOREFRONT_SERVER_GRACE_SECONDS", "5", None),
        ("FOREFRONT_PORT", "tcp://10.0.0.1:8000", None),
        ("FOREFRONT_SERVICE_HOST", "10.0.0.1", None),
        ("FOREFRONT_SERVER_SERVICE_PORT_HTTP", "8000", None),
        ("FOREFRONT_PORT_8000_TCP_ADDR", "10.0.0.1", None),
        ("OTHER_LOG_FROMAT", "json", None),
    ],
)
def test_an_unknown_variable_is_reported(name: str, value: str, expected_message: str | None) -> None:
    warnings = unknown_variables({name: value})
    assert len(warnings) == (expected_message is not None)
    assert expected_message is None or (expected_message in warnings[0] and f"`{name}`" in warnings[0])


def test_every_variable_that_the_code_or_a_page_names_is_known() -> None:
    named = set()
    for folder in ("src", "clients/node/src", "docs", "examples", "benchmarks", "torture", "training"):
        for path in Path(folder).rglob("*"):
            if path.suffix in {".py", ".ts", ".mjs", ".md"} and "node_modules" not in path.parts:
                named |= set(re.findall(r"\bFOREFRONT_[A-Z_]*[A-Z]\b", path.read_text()))
    assert "FOREFRONT_BASE_URL" in named
    assert unknown_variables(dict.fromkeys(named, "x")) == []


def test_json_logs_have_the_requests_and_neither_keys_nor_prompts(tiny_gguf: Path, tmp_path: Path) -> None:
    canary = "PROMPT-CANARY-7711"
    variables = {"FOREFRONT_LOG_FORMAT": "json", "FOREFRONT_LOG_LEVEL": "debug"}
    with run_server([str(tiny_gguf)], tmp_path / "home", environment=variables) as server, server.client() as client:
        body = {"model": "tiny", "messages": [{"role": "user", "content": canary}], "max_tokens": 2}
        client.post("/v1/chat/completions", json=body)
        client.get(f"/v1/models/{KEY}?key={KEY}")
        made = client.post("/admin/keys", json={"name": "x"}).json()["key"]
        client.get(f"/v1/models/{made}")
        server.stop()
        log = server.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    [asked] = [line for line in lines if line.get("path") == "/v1/chat/completions"]
    assert (asked["status"], asked["method"], asked["project"]) == (200, "POST", "default")
    assert asked["request_id"].startswith("req_")
    for secret in (canary, KEY, made):
        assert secret not in log


def test_prompts_are_logged_if_configured(tiny_gguf: Path, tmp_path: Path) -> None:
    variables = {"FOREFRONT_LOG_PROMPTS": "true", "FOREFRONT_LOG_FORMAT": "json"}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "CANARY"}]},
        {
            "role": "assistant",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "5"},
    ]
    with run_server([str(tiny_gguf)], tmp_path / "home", environment=variables) as server, server.client() as client:
        client.post("/v1/chat/completions", json={"model": "tiny", "messages": messages, "max_tokens": 2})
        client.post("/v1/completions", json={"model": "tiny", "prompt": ["One", "Two"], "max_tokens": 2})
        log = server.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [line["prompt"] for line in lines if "prompt" in line] == [messages, ["One", "Two"]]


def test_a_prompt_is_one_line_for_people_and_shows_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    try:
        secret = 'a"key-of-another-0123456789'
        set_up_logging("human", "info", prompts=True, secrets=(secret,))
        asked = [Message(role="user", content=f"Hello\nERROR forged: {secret}")]
        logging.getLogger("forefront.prompts").info("asked", extra={"prompt": asked})
    finally:
        root.handlers = before
        root.setLevel(level)
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith('asked prompt=[{"role": "user", "content": "Hello\\nERROR forged: ***"}]')


def make_pair(folder: Path, *, algorithm: str = "ec", bits: str = "ec_paramgen_curve:prime256v1") -> tuple[Path, Path]:
    """A new certificate and its key."""
    folder.mkdir(exist_ok=True)
    certificate, key = folder / "c.pem", folder / "k.pem"
    command = f"openssl req -x509 -newkey {algorithm} -pkeyopt {bits} -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files for TLS, most of which cannot be used."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_pair(folder)
    make_pair(folder / "other")
    make_pair(folder / "rsa", algorithm="rsa", bits="rsa_keygen_bits:2048")
    make_pair(folder / "weak", algorithm="rsa", bits="rsa_keygen_bits:1024")
    for form in ("pkey", "ec"):
        command = f"openssl {form} -in {key} -aes256 -passout pass:hello -out {folder / f'encrypted-{form}.pem'}"
        subprocess.run(command.split(), check=True, capture_output=True)
    (folder / "garbage").write_bytes(os.urandom(500))
    (folder / "cut.pem").write_bytes(certificate.read_bytes() + certificate.read_bytes()[:300])
    return folder


@pytest.mark.parametrize(
    ("certificate", "key", "expected_message"),
    [
        ("c.pem", "other/k.pem", "`server.tls_key`: {key} is not the key of the certificate in {certificate}"),
        ("c.pem", "rsa/k.pem", "`server.tls_key`: {key} is not the key of the certificate in {certificate}"),
        ("c.pem", "encrypted-pkey.pem", "`server.tls_key`: {key} is encrypted; it must be unencrypted"),
        ("c.pem", "encrypted-ec.pem", "`server.tls_key`: {key} is encrypted; it must be unencrypted"),
        ("c.pem", "garbage", "`server.tls_key`: {key} has no private key in PEM"),
        (
            "garbage",
            "k.pem",
            "`server.tls_certificate`: {certificate} has no complete certificate chain in PEM",
        ),
        (
            "cut.pem",
            "k.pem",
            "`server.tls_certificate`: {certificate} has no complete certificate chain in PEM",
        ),
        ("weak/c.pem", "weak/k.pem", "`server.tls_certificate`: {certificate}, with the key {key}: ee key too small"),
        ("other", "k.pem", "`server.tls_certificate`: {certificate} cannot be read: Is a directory"),
    ],
)
def test_a_pair_for_tls_that_cannot_be_used_is_refused(
    tls: Path, certificate: str, key: str, expected_message: str
) -> None:
    files = {"certificate": str(tls / certificate), "key": str(tls / key)}
    with pytest.raises(ConfigError, match=re.escape(expected_message.format(**files))):
        load_config(None, {f"FOREFRONT_SERVER_TLS_{name.upper()}": file for name, file in files.items()})


@pytest.mark.parametrize("command", [("config", "check"), ("serve", "--port", "0")])
def test_commands_refuse_an_unusable_tls_pair_in_one_line(tls: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    for key in ("other/k.pem", "encrypted-pkey.pem"):
        variables = {
            "FOREFRONT_SERVER_TLS_CERTIFICATE": str(tls / "c.pem"),
            "FOREFRONT_SERVER_TLS_KEY": str(tls / key),
        }
        result = forefront(*command, home=tmp_path, **variables)
        assert result.returncode == 1
        [line] = result.stderr.splitlines()
        assert line.startswith(f"forefront: `server.tls_key`: {tls / key} ")
        assert not result.stdout


def test_tls_cors_and_deadlines(tiny_gguf: Path, tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path)
    path = tmp_path / "forefront.toml"
    path.write_text(
        f"[server]\ntls_key = '{key}'\ntls_certificate = '{certificate}'\ncors_origins = ['https://app.example']\n"
    )
    with run_server([str(tiny_gguf), "--config", str(path)], tmp_path / "home") as server:
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(base_url=server.url, verify=context) as client:
            assert client.get("/health").status_code == 200
            preflight = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
            allowed = client.options("/v1/chat/completions", headers={"origin": "https://app.example"} | preflight)
            assert allowed.headers["access-control-allow-origin"] == "https://app.example"
            refused = client.options("/v1/chat/completions", headers={"origin": "https://evil.example"} | preflight)
            assert "access-control-allow-origin" not in refused.headers
            assert client.get("/v1/models", headers={"origin": "https://app.example"}).status_code == 401
