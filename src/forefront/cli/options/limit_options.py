"""Command-line options for limits and budgets."""

import re
from typing import Annotated, Any

import typer

from forefront.wire.admin.parse import convert_or_raise
from forefront.wire.admin.records import Budget, Limits
from forefront.wire.errors import RequestError

_RPM = "Maximum requests within any 60 seconds."
_TPM = "Maximum tokens, input and output, within any 60 seconds."
_CONCURRENCY = "Maximum concurrent requests."
_PERIODS = (
    "Budget of each `day` or `month` (UTC), or for `ever`: tokens (`100000 tokens/day`) or money in the unit of the "
    "prices (`25/month`). Repeat the option to set both, for the same period."
)
Rpm = Annotated[int | None, typer.Option("--rpm", min=1, help=_RPM)]
Tpm = Annotated[int | None, typer.Option("--tpm", min=1, help=_TPM)]
Concurrency = Annotated[int | None, typer.Option(min=1, help=_CONCURRENCY)]
BudgetOption = Annotated[list[str] | None, typer.Option("--budget", metavar="AMOUNT/PERIOD", help=_PERIODS)]

# Options of an update: omitted ones leave the setting unchanged.
_NONE = "none"
RpmUpdate = Annotated[str | None, typer.Option("--rpm", metavar="N|none", help=_RPM)]
TpmUpdate = Annotated[str | None, typer.Option("--tpm", metavar="N|none", help=_TPM)]
ConcurrencyUpdate = Annotated[str | None, typer.Option("--concurrency", metavar="N|none", help=_CONCURRENCY)]
BudgetUpdate = Annotated[
    list[str] | None,
    typer.Option("--budget", metavar="AMOUNT/PERIOD|none", help=f"{_PERIODS} It replaces the whole previous budget."),
]
_BUDGET = re.compile(r"(?P<whole>\d{1,18})(?P<fraction>\.\d+)? ?(?P<tokens>tokens?)?/(?P<period>day|month|ever)")


def read_limits(rpm: int | None, tpm: int | None, concurrency: int | None) -> Limits:
    """Limits from the options. Raises `RequestError`."""
    fields = {"requests_per_minute": rpm, "tokens_per_minute": tpm, "concurrency": concurrency}
    return convert_or_raise(fields, Limits)


def read_budget(texts: list[str] | None) -> Budget | None:
    """One budget from the values of `--budget`. Raises `RequestError`."""
    fields: dict[str, Any] = {}
    for text in texts or []:
        match = _BUDGET.fullmatch(text.strip())
        if match is None:
            examples = "`100000 tokens/day`, `25/month` or `0.5/ever`"
            raise RequestError("invalid_value", f"--budget {text!r} is not a budget such as {examples}")
        unit = "tokens" if match["tokens"] else "money"
        if unit in fields or fields.get("period", match["period"]) != match["period"]:
            raise RequestError("invalid_value", "a budget has one amount of tokens, one of money, and one period")
        if match["tokens"] and match["fraction"]:
            raise RequestError("invalid_value", f"--budget {text!r}: the number of tokens is a whole number")
        amount = match["whole"] if match["tokens"] else match["whole"] + (match["fraction"] or "")
        fields |= {"period": match["period"], unit: int(amount) if match["tokens"] else float(amount)}
    return convert_or_raise(fields, Budget) if fields else None


def update_limits(limits: Limits, rpm: str | None, tpm: str | None, concurrency: str | None) -> Limits:
    """The limits with those that are given replaced. Raises `RequestError`."""
    given = {
        "requests_per_minute": ("--rpm", rpm),
        "tokens_per_minute": ("--tpm", tpm),
        "concurrency": ("--concurrency", concurrency),
    }
    changed = {name: _limit(option, text) for name, (option, text) in given.items() if text is not None}
    return convert_or_raise(limits.to_dict() | changed, Limits)


def update_budget(budget: Budget | None, texts: list[str] | None) -> Budget | None:
    """The budget, replaced if one is given. Raises `RequestError`."""
    if not texts:
        return budget
    return None if texts == [_NONE] else read_budget(texts)


def _limit(option: str, text: str) -> int | None:
    if text == _NONE:
        return None
    if not re.fullmatch(r"\d{1,18}", text):
        raise RequestError("invalid_value", f"{option} {text!r} is neither a number nor `{_NONE}`")
    return int(text)


def format_limits(limits: Limits, budget: Budget | None) -> str:
    """Limits and budget in one line."""
    parts = [
        f"{value} {text}"
        for value, text in (
            (limits.requests_per_minute, "requests/min"),
            (limits.tokens_per_minute, "tokens/min"),
            (limits.concurrency, "at a time"),
        )
        if value is not None
    ]
    if budget is not None and budget.tokens is not None:
        parts.append(f"{budget.tokens} tokens/{budget.period}")
    if budget is not None and budget.money is not None:
        parts.append(f"{budget.money:g}/{budget.period}")
    return ", ".join(parts) or "none"
