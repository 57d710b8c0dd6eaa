"""The records, the only user of SQLAlchemy (Core): one module an aggregate, each move with its audit entry."""

from ca_server.store.database import Connection, Database, SynchronousDatabase
from ca_server.store.errors import Conflict, Duplicate, Locked, Overloaded, SchemaMismatch, StoreError, Unavailable
from ca_server.store.sqlite import Glass

__all__ = [
    "Conflict",
    "Connection",
    "Database",
    "Duplicate",
    "Glass",
    "Locked",
    "Overloaded",
    "SchemaMismatch",
    "StoreError",
    "SynchronousDatabase",
    "Unavailable",
]
