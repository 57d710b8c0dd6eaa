"""What the tables are made of: their metadata, the whole numbers of both databases, indexes of some rows."""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, MetaData, text, types

metadata = MetaData()

Integer = BigInteger().with_variant(types.Integer(), "sqlite")
"""64 bits: seconds since 1970 outgrow 32 in 2038. SQLite counts rows by a column of the very name INTEGER only."""


def partial(name: str, where: str, *columns: Column[Any], unique: bool = False) -> None:
    """Add an index of the rows for which a condition holds."""
    Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))
