"""What a file can be refused for before its fields are looked at.

Refusal
└── UnreadableForm           the file is none of our forms, or may be anything; the sentence says what to send instead
Invalid                      it is our form; what is wrong with its sheets and fields, all of it named
"""

from ca_server.errors import Refusal


class UnreadableForm(Refusal):
    """The file is not one of our forms, or not safe to open; the sentence says what to send instead."""
