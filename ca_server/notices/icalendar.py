"""A day for the recipient's calendar 予定表: one all-day event as iCalendar (RFC 5545), published (RFC 5546 §3.2.1).

It says no time zone, being a day. The same event has the same UID in every mail, so that a calendar keeps it once.
"""

import dataclasses
import datetime

from ca_server.clock import moment
from ca_server.notices.attachment import Attachment

_LONGEST_LINE = 75  # octets, without the CRLF (RFC 5545 §3.1)
_ESCAPES = str.maketrans({"\\": r"\\", ";": r"\;", ",": r"\,", "\n": r"\n"})


@dataclasses.dataclass(frozen=True)
class Event:
    """What happens on a day; `uid` names it for ever, in the characters of a file's name."""

    uid: str
    day: datetime.date
    summary: str
    description: str


@dataclasses.dataclass(frozen=True)
class Organizer:
    """Who publishes: a name without control characters and a plain address."""

    name: str
    address: str


def calendar(event: Event, organizer: Organizer, at: int) -> Attachment:
    """Return the file that puts the event into a calendar, as it was at a moment."""
    domain = organizer.address.partition("@")[2]
    name = organizer.name.replace('"', "'")  # a quoted parameter has no other way (RFC 5545 §3.2)
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Warifu//warifu-ca//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{event.uid}@{domain}",
        f"DTSTAMP:{moment(at):%Y%m%dT%H%M%SZ}",
        f'ORGANIZER;CN="{name}":mailto:{organizer.address}',
        f"DTSTART;VALUE=DATE:{event.day:%Y%m%d}",
        f"SUMMARY:{event.summary.translate(_ESCAPES)}",
        f"DESCRIPTION:{event.description.translate(_ESCAPES)}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    content = b"".join(_folded(line) + b"\r\n" for line in lines)
    return Attachment(f"{event.uid}.ics", content, "text", "calendar", (("charset", "utf-8"), ("method", "PUBLISH")))


def _folded(line: str) -> bytes:
    """Break a long line between characters, each further piece behind a blank (RFC 5545 §3.1)."""
    pieces, piece = [], b""
    for character in line:
        octets = character.encode()
        if len(piece) + len(octets) > _LONGEST_LINE:
            pieces.append(piece)
            piece = b" "
        piece += octets
    return b"\r\n".join([*pieces, piece])
