"""Attempts 不審な手続き: what was refused, and may have been somebody who posed as an institution's administrator.

The registered administrator is told of each: a guess that failed is the warning of one that may not.
"""

from enum import StrEnum


class Attempt(StrEnum):
    """What was tried."""

    WRONG_ADMINISTRATOR = "wrong-administrator"
    """A form named another administrator than the registered one."""
    FOREIGN_CN = "foreign-cn"
    """Another institution's form named a CN of this one."""
    OTHER_ADDRESS = "other-address"
    """A caller asked the help desk to send mails to another address than the registered one."""
    WRONG_INSTITUTION = "wrong-institution"
    """A caller who asked the help desk about a CN could not name its institution."""
