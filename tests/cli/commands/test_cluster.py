"""`forefront cluster` and `[ray]`, as far as they need no cluster."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from forefront.catalog.loaders.local_loader import read_text
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import BUILT_IN_NAME, ModelSource, SourceError
from forefront.chat.local.loading import ModelOptions
from forefront.cli.app import app
from forefront.cli.commands.cluster import cluster
from forefront.cli.loaders import cluster_models
from forefront.cli.loaders.cluster_models import (
    ClusterModels,
    Digests,
    find_cluster,
    open_cluster,
    read_digests,
    replica_spec,
)
from forefront.cli.settings.config import Config, ConfigError, load_config
from forefront.cli.settings.model_list import list_models
from forefront.cluster.backend.cluster_loader import ClusterAccess
from forefront.cluster.backend.dispatching.dispatcher import RemoteLimits
from forefront.cluster.discovery.cluster_watch import ClusterWatch
from tests.engine.embedding.test_ir_graph import write_ir
from tests.support.models.random_encoder import ENCODERS, write_encoder


def load(folder: Path, text: str) -> Config:
    file = folder / "forefront.toml"
    file.write_text(text)
    return load_config(file, {})


def test_replicas_of_the_settings(tmp_path: Path) -> None:
    settings = load(tmp_path, '[ray.models."forefront-mini"]\nreplicas = { min = 2 }\ncpus = 3\nkv_cache_gib = 0.5\n')
    assert settings.ray.models[BUILT_IN_NAME].replicas.bounds == (2, 2)
    assert settings.ray.address is None
    [model] = list_models([], {}, ModelOptions())
    own = settings.ray.models[BUILT_IN_NAME]
    loads = [own.wanted_load, replace(own, gpus=1.0).wanted_load, replace(own, target_load=0.5).wanted_load]
    assert loads == [0.15, 0.7, 0.5]
    spec = replica_spec(model, settings.ray, Digests("sha256:1"), "http://127.0.0.1:4318")
    assert spec.traces == "http://127.0.0.1:4318"
    assert (spec.name, spec.source, spec.weights) == (BUILT_IN_NAME, BUILT_IN_NAME, "sha256:1")
    assert (spec.options.threads, spec.options.kv_cache_bytes) == (3, 2**29)
    assert spec.model_source().path.is_file()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[ray.models."m"]\nreplicas = { min = 3, max = 2 }\n', "min is 3 and max is 2"),
        ('[ray.models."m"]\nreplicas = { min = 0, max = 0 }\n', "max"),
        ("[ray]\nstall_seconds = 1\n", "stall_seconds"),
        ("[ray]\nmigration = 1\n", "migration"),
        ('[ray.models."m"]\ncpu = 1\n', "cpu"),
    ],
)
def test_invalid_settings_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load(tmp_path, text)


def test_the_text_side_of_an_embedding_model_is_read_without_its_weights(tmp_path: Path) -> None:
    path, ranking, graph = tmp_path / "encoder.gguf", tmp_path / "ranking.gguf", tmp_path / "graph"
    write_encoder(path, ENCODERS["bert, mean"])
    write_encoder(ranking, ENCODERS["qwen3, yes and no"])
    write_ir(graph)
    found = [read_text(ModelSource("encoder", each), ModelCache(tmp_path)).embedding for each in (path, ranking, graph)]
    templates = [facts is not None and bool(facts.rank_template) for facts in found]
    assert templates == [False, True, False]
    assert None not in found


def test_files_that_are_no_model_are_refused_before_they_are_deployed(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    settings = load(tmp_path, "")
    [model] = list_models([f"model={path}"], {}, ModelOptions())
    assert model.source is not None
    models = ClusterModels(ClusterAccess(ClusterWatch("auto", []), RemoteLimits()), settings.ray)
    with pytest.raises(SourceError, match=r"model\.gguf"):
        models.loader(model, model.source, ModelCache(tmp_path), lambda source, _: source)
    with pytest.raises(SourceError, match=r"model\.gguf"):
        read_digests(model, tmp_path)


def test_the_draft_of_a_model_is_part_of_its_deployment(tmp_path: Path, tiny_gguf: Path) -> None:
    settings = load(tmp_path, f'[models.m]\nsource = "{tiny_gguf}"\ndraft = "{tiny_gguf}"\n')
    [model] = list_models([], settings.models, ModelOptions())
    digests = read_digests(model, tmp_path)
    spec = replica_spec(model, settings.ray, digests)
    draft = spec.draft_source()
    assert digests.model == digests.draft == spec.draft_weights
    assert draft is not None
    assert draft.path == tiny_gguf


def test_a_server_without_ray_reports_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_models, "find_spec", lambda _: None)
    settings = load(tmp_path, '[ray]\naddress = "auto"\n').ray
    with pytest.raises(ConfigError, match="Ray is not installed: pip install"), open_cluster(settings, [], tmp_path):
        pass


@pytest.mark.parametrize("option", [["--draft", "m"], ["--threads", "1"], ["--exact-activations"], ["--kv-cache", "2"]])
def test_an_option_of_the_engine_is_refused_by_a_server_on_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    monkeypatch.setenv("FOREFRONT_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["serve", "--ray", "127.0.0.1:1", *option])
    assert result.exit_code == 1
    assert f"{option[0]} is an option of the engine, which replicas run" in " ".join(result.output.split())


def test_an_engine_unsupported_on_replicas_is_refused(tmp_path: Path) -> None:
    settings = load(tmp_path, '[models.m]\nsource = "forefront-mini"\nengine = "llama.cpp"\n')
    [model] = list_models([], settings.models, ModelOptions())
    with pytest.raises(SourceError, match="do not run the engine"):
        replica_spec(model, settings.ray, Digests())


def test_a_relative_path_is_refused_on_a_node(tmp_path: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_gguf.parent)
    settings = load(tmp_path, "")
    [model] = list_models([tiny_gguf.name], {}, ModelOptions())
    spec = replica_spec(model, settings.ray, Digests())
    assert Path(spec.source).is_absolute()


@pytest.mark.parametrize("replicas", ["x", "-1", "0", "3:2", "1:", ":2", "1:2:3", "1.5"])
def test_an_invalid_number_of_replicas_is_refused_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replicas: str
) -> None:
    monkeypatch.setenv("FOREFRONT_HOME", str(tmp_path))
    result = CliRunner().invoke(cluster, ["scale", "--", "m", replicas])
    assert result.exit_code == 1
    assert "is not a number of replicas" in result.output


def test_auto_is_rays_choice_without_a_local_cluster(tmp_path: Path) -> None:
    address, environment = find_cluster("auto", tmp_path)
    assert address == "auto"
    assert environment["RAY_gcs_rpc_server_reconnect_timeout_s"] == "86400"
