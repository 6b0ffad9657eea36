"""What the log says about an answer of an upstream."""

import pytest

from forefront.upstream.error_mapping import error_of, read_error
from forefront.upstream.replica import UpstreamReplica


@pytest.mark.parametrize(
    ("url", "hint"), [("http://gpu-1:8000", True), ("http://v1/", True), ("http://gpu-1:8000/v1", False)]
)
def test_an_unknown_path_of_a_base_url_without_a_path_has_a_hint(url: str, hint: bool) -> None:
    error = error_of(read_error({"detail": "Not Found"}), 404, UpstreamReplica("big/1", url))
    assert error.detail.endswith("; the URL of most servers ends with /v1") == hint
    assert "/v1" not in error.message
