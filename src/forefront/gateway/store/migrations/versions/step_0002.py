"""Sums by month, so that budgets need not add up every day that there has been."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and fill it from the days."""
    months = op.create_table(
        "months",
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    days = sa.table("days", *map(sa.column, ("day", "key", "project", "input_tokens", "output_tokens", "cost")))
    month = sa.func.substr(days.c.day, 1, 7)
    sums = sa.func.sum(days.c.input_tokens + days.c.output_tokens), sa.func.sum(days.c.cost)
    for kind in ("key", "project"):
        rows = sa.select(sa.literal_column(f"'{kind}'"), days.c[kind], month, *sums).group_by(days.c[kind], month)
        op.execute(sa.insert(months).from_select(list(months.c.keys()), rows))
