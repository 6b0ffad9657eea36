"""`forefront projects set` changes the named settings."""

from pathlib import Path

from tests.cli.commands.in_process import run_here


def test_set_changes_the_given_settings(tmp_path: Path) -> None:
    for arguments, output in (
        ("--rpm 600 --weight 2", "shop (created): weight 2, limits: 600 requests/min"),
        ("--tpm 5000", "shop: weight 2, limits: 600 requests/min, 5000 tokens/min"),
        ("", "shop: weight 2, limits: 600 requests/min, 5000 tokens/min"),
        (
            "--budget 25/month --concurrency 3 --rpm none",
            "shop: weight 2, limits: 5000 tokens/min, 3 at a time, 25/month",
        ),
        ("--weight 1", "shop: weight 1, limits: 5000 tokens/min, 3 at a time, 25/month"),
        ("--budget none --tpm none --concurrency none", "shop: weight 1, limits: none"),
    ):
        result = run_here("projects", "set", "shop", *arguments.split(), home=tmp_path)
        assert result.stdout == f"{output}\n", result.stderr
    assert "none" in run_here("projects", "set", "--help", home=tmp_path).stdout
