"""What the store can answer instead of a result.

StoreError
├── Overloaded       too many wait, or a conflict could not be resolved in time: try again
├── Unavailable      the database cannot be used: disk full, I/O error, locked, closed
├── Conflict         a guarded update met another state than it expected
├── Duplicate        a value that must be unique is taken
└── SchemaMismatch   the file is of a newer or an unknown schema
"""


class StoreError(Exception):
    """The store cannot do what was asked."""


class Overloaded(StoreError):
    """Too many wait; trying again may succeed."""


class Unavailable(StoreError):
    """The database cannot be used now; nothing of the operation was kept."""


class Conflict(StoreError):
    """A guarded update met another state than it expected."""


class Duplicate(StoreError):
    """A value that must be unique is taken."""


class SchemaMismatch(StoreError):
    """The database is of a newer or an unknown schema."""
