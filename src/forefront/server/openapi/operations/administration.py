"""The operations of administrators."""

from typing import Final

from forefront.server.openapi.operation import NOT_FOUND, QUERY, STORE, Operation, PathId
from forefront.wire.admin.history import BudgetList, KeyLimits, RecentRequests, UsageHistory
from forefront.wire.admin.parse import HistoryQuery, ReportQuery
from forefront.wire.admin.records import (
    IssuedKey,
    Key,
    KeyList,
    ModelStatus,
    NewKey,
    Project,
    ProjectList,
    ProjectName,
    ProjectSettings,
    Reload,
    ServerStatus,
    UsageReport,
)

MODEL: Final = ("model_not_found", "model_unavailable", "shutting_down", "unknown_url")

ADMIN_OPERATIONS: Final = (
    Operation(
        method="POST", path="/admin/keys", group="Administration", name="createKey", scope="admin",
        summary="Make a key", description="Only this response shows the key's text.",
        body=NewKey, example={"name": "mobile app", "limits": {"requests_per_minute": 60}},
        answer=IssuedKey, status=201, errors=STORE,
    ),
    Operation(
        method="GET", path="/admin/keys", group="Administration", name="listKeys", scope="admin",
        summary="Every key", answer=KeyList, errors=STORE,
    ),
    Operation(
        method="GET", path="/admin/keys/{id}", group="Administration", name="retrieveKey", scope="admin",
        summary="One key", answer=Key, path_types={"id": PathId}, errors=NOT_FOUND + STORE,
    ),
    Operation(
        method="DELETE", path="/admin/keys/{id}", group="Administration", name="revokeKey", scope="admin",
        summary="Revoke a key", description="It stops working within half a second; its usage stays.",
        answer=Key, path_types={"id": PathId}, errors=NOT_FOUND + STORE,
    ),
    Operation(
        method="POST", path="/admin/keys/{id}/rotate", group="Administration", name="rotateKey", scope="admin",
        summary="Give a key a new text",
        description="The old text stops working within half a second, and stays in the list as a revoked key.",
        answer=IssuedKey, path_types={"id": PathId}, errors=NOT_FOUND + STORE,
    ),
    Operation(
        method="PUT", path="/admin/keys/{id}/limits", group="Administration", name="setKeyLimits", scope="admin",
        summary="Change the limits of a key",
        description="Replaces all its limits and its budget. Defaults: no limits, no budget. They apply within half a "
        "second.",
        body=KeyLimits, example={"limits": {"requests_per_minute": 60}}, answer=Key,
        path_types={"id": PathId}, errors=NOT_FOUND + STORE,
    ),
    Operation(
        method="GET", path="/admin/projects", group="Administration", name="listProjects", scope="admin",
        summary="Every project", answer=ProjectList, errors=STORE,
    ),
    Operation(
        method="PUT", path="/admin/projects/{name}", group="Administration", name="setProject", scope="admin",
        summary="Make a project, or change one",
        description="Sets all settings. Defaults: no limits, no budget, a weight of 1.",
        body=ProjectSettings, example={"weight": 2}, answer=Project,
        path_types={"name": ProjectName}, errors=("unknown_url", *STORE),
    ),
    Operation(
        method="GET", path="/admin/usage", group="Administration", name="reportUsage", scope="admin",
        summary="Sums of usage", query=ReportQuery, answer=UsageReport,
        errors=(*QUERY, *STORE),
    ),
    Operation(
        method="GET", path="/admin/history", group="Administration", name="usageHistory", scope="admin",
        summary="Usage over time", description="The last hour in memory, the last day and month from the ledger.",
        query=HistoryQuery, answer=UsageHistory, errors=(*QUERY, *STORE),
    ),
    Operation(
        method="GET", path="/admin/requests", group="Administration", name="recentRequests", scope="admin",
        summary="The slowest and the failed requests of the last hour",
        description="At most 20 and 200, without prompts and answers.", answer=RecentRequests,
    ),
    Operation(
        method="GET", path="/admin/budgets", group="Administration", name="listBudgets", scope="admin",
        summary="What is left of every budget", answer=BudgetList, errors=STORE,
    ),
    Operation(
        method="GET", path="/admin/status", group="Administration", name="status", scope="admin",
        summary="How busy the server is", answer=ServerStatus,
    ),
    Operation(
        method="POST", path="/admin/models/{name}/load", group="Administration", name="loadModel", scope="admin",
        summary="Load a model",
        description="Returns once it is loaded. A load that has failed is tried again at once.",
        answer=ModelStatus, path_types={"name": PathId}, errors=MODEL,
    ),
    Operation(
        method="POST", path="/admin/models/{name}/unload", group="Administration", name="unloadModel", scope="admin",
        summary="Unload a model",
        description="Returns once its running requests have ended and it is unloaded. Later requests load it again.",
        answer=ModelStatus, path_types={"name": PathId}, errors=("invalid_value", *MODEL),
    ),
    Operation(
        method="POST", path="/admin/reload", group="Administration", name="reloadSettings", scope="admin",
        summary="Read the settings again",
        description="Models, prices, the queue, the memory for models and the log level change at once. Invalid "
        "settings change nothing.",
        answer=Reload, errors=("invalid_value", "not_found"),
    ),
)  # fmt: skip
