"""Asks the authority how the certificates of this PC stand: a PC cannot know that one was suspended or revoked."""

import asyncio
from collections.abc import Sequence

from client import ocsp
from client.config import Settings
from client.errors import ClientError
from client.language import sentence
from client.listing import REVOKED, SUSPENDED, UNKNOWN, VALID
from client.ocsp import Word
from client.stores.folder import SeatFolder
from client.stores.generation import Generation
from client.transport import Tell
from protocol.members import rfc3339

_STATUS = {Word.SUSPENDED: SUSPENDED, Word.REVOKED: REVOKED, Word.UNKNOWN: UNKNOWN}


async def ask_about(
    pairs: Sequence[tuple[SeatFolder, Generation]],
    documents: Sequence[dict[str, object]],
    settings: Settings,
    tell: Tell,
) -> list[dict[str, object]]:
    """Return the documents of certificates (`listing.describe`) with the authority's word on those that seem valid.

    `asked` tells whether it gave one, `since` since when a certificate is not good. Where it gives none this is told,
    and our own record stands.
    """
    asked = [
        _asked(generation, document, settings, tell) for (_, generation), document in zip(pairs, documents, strict=True)
    ]
    return list(await asyncio.gather(*asked))


async def _asked(
    generation: Generation, document: dict[str, object], settings: Settings, tell: Tell
) -> dict[str, object]:
    if document["status"] != VALID:
        return {**document, "asked": False, "since": None}
    try:
        standing = await ocsp.ask(generation.certificate(), next(iter(generation.chain()), None), settings)
    except ClientError as error:
        tell(sentence("{cn}: not asked about. {reason}"), cn=document["cn"], reason=error)
        return {**document, "asked": False, "since": None}
    status = _STATUS.get(standing.word, VALID)
    return {
        **document,
        "status": status,
        "asked": True,
        "since": None if standing.since is None else rfc3339(standing.since),
    }
