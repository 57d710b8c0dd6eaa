"""A file that opens with passphrases alone: encrypted in pieces, so that one of any size needs no memory.

    magic          "WARIFU\\0" and the version, 1: 8 bytes
    count          how many passphrases open it, all of them together: 1 byte
    salt           32 random bytes
    pieces         64 KiB of content each, the last one what is left; each with its tag of 16 bytes behind it

The key is HKDF-SHA256 (RFC 5869) of what scrypt (RFC 7914; N = 2^17, r = 8, p = 1) makes of each passphrase and the
salt, sorted, so that it does not matter who types first; the bytes before the pieces are HKDF's info. Pieces are
AES-256-GCM under a nonce of their number (11 bytes) and a byte that is 1 for the last one alone (the construction
STREAM of Hoang, Reyhanitabar, Rogaway and Vizár, as in age): a file that was altered, cut off, or whose pieces were
moved does not open. Who knows no passphrase can neither read such a file nor make one.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.errors import KeystoreError, SealBroken, WrongPassphrase

SHORTEST_PASSPHRASE: Final = 12
_MAGIC: Final = b"WARIFU\0\x01"
_SALT_BYTES: Final = 32
_PIECE: Final = 1 << 16
_TAG: Final = 16
_ROUNDS: Final = 1 << 17  # 128 MiB and half a second for each guess
_MOST_MEMORY: Final = 1 << 28


class CofferWriter:
    """Encrypts what is written into `file`, which is whole only after `finish`.

    Raises KeystoreError for passphrases that are short, or the same twice.
    """

    def __init__(self, file: BinaryIO, passphrases: Sequence[str]) -> None:
        if any(len(each) < SHORTEST_PASSPHRASE for each in passphrases):
            raise KeystoreError("A passphrase needs {count} characters or more.", count=SHORTEST_PASSPHRASE)
        if len(set(passphrases)) < len(passphrases):
            raise KeystoreError("Two people have two different passphrases.")
        head = _MAGIC + bytes((len(passphrases),)) + os.urandom(_SALT_BYTES)
        self._cipher = _cipher(head, passphrases)
        self._file = file
        self._kept = bytearray()
        self._number = 0
        file.write(head)

    def write(self, content: bytes) -> int:
        """Takes the next bytes."""
        self._kept += content
        while len(self._kept) > _PIECE:  # the last piece is never empty, unless all is
            self._put(bytes(self._kept[:_PIECE]), last=False)
            del self._kept[:_PIECE]
        return len(content)

    def finish(self) -> None:
        """Writes the last piece, without which the file does not open."""
        self._put(bytes(self._kept), last=True)

    def _put(self, content: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), content, None))
        self._number += 1


class CofferReader:
    """Decrypts what `CofferWriter` wrote; what it gives is authentic, and complete once `finish` has returned.

    Raises SealBroken when the file is none of ours, WrongPassphrase when it does not open.
    """

    def __init__(self, file: BinaryIO, passphrases: Sequence[str]) -> None:
        head = file.read(len(_MAGIC) + 1 + _SALT_BYTES)
        if len(head) < len(_MAGIC) + 1 + _SALT_BYTES or not head.startswith(_MAGIC):
            raise SealBroken("This is no backup of Warifu, or one of a newer version.")
        count = head[len(_MAGIC)]
        if count != len(passphrases):
            raise WrongPassphrase(
                "This file opens with {wanted} passphrases, not with {given}.", wanted=count, given=len(passphrases)
            )
        self._cipher = _cipher(head, passphrases)
        self._file = file
        self._ahead = file.read(_PIECE + _TAG)
        self._number = 0
        self._kept = self._next()

    def read(self, most: int) -> bytes:
        """Gives the next bytes, at most so many, none at the end. Raises SealBroken when the file was altered."""
        if not self._kept and self._ahead:
            self._kept = self._next()
        given, self._kept = self._kept[:most], self._kept[most:]
        return given

    def finish(self) -> None:
        """Reads what is left, so that the end is known to be the end. Raises SealBroken."""
        while self.read(_PIECE):
            pass

    def _next(self) -> bytes:
        piece, self._ahead = self._ahead, self._file.read(_PIECE + _TAG)
        try:
            opened = self._cipher.decrypt(_nonce(self._number, last=not self._ahead), piece, None)
        except InvalidTag as error:
            if self._number == 0:
                raise WrongPassphrase("It does not open with this passphrase, or was altered.") from error
            raise SealBroken("It was altered or cut off; use another copy.") from error
        self._number += 1
        return opened


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((last,))


def _cipher(head: bytes, passphrases: Sequence[str]) -> AESGCM:
    salt = head[-_SALT_BYTES:]
    stretched = sorted(
        hashlib.scrypt(each.encode(), salt=salt, n=_ROUNDS, r=8, p=1, maxmem=_MOST_MEMORY, dklen=32)
        for each in passphrases
    )
    return AESGCM(HKDF(hashes.SHA256(), 32, salt=None, info=head).derive(b"".join(stretched)))
