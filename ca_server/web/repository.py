"""The CA's repository 認証局リポジトリ (RFC 3647 §2): its page at `/`, and over https the files that the page leads to.

Browsers do not save over plain http what a page over https offers, so the folder that the plain address serves is
served here as well. CA certificates are the `.cer` files that lay in it at the start; a former issuing CA's stays and
is shown. Of a CRL the page tells what the records say, for the file may have megabytes; the root's is a file alone.
"""

import asyncio
import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server import store
from ca_server.authority.signer import issuer_public_key
from ca_server.clock import TOKYO, moment
from ca_server.store import revocations
from ca_server.web.look import LANGUAGES, Look, answer, language_of, tagged
from keys.algorithms import kind_of
from protocol.vocabulary import MediaType

_GROUP: Final = 8  # octets of a fingerprint that the eye takes in at a time
_CACHE: Final = "public, max-age=300"
_PIECE: Final = 64 * 1024  # what asyncio buffers; more would hide a reader that takes nothing


@dataclasses.dataclass(frozen=True)
class Moment:
    """A moment for people: in Japan's time, in UTC, and for programs."""

    japan: str
    utc: str
    iso: str

    @classmethod
    def of(cls, at: datetime.datetime, language: str) -> Self:
        """Return it in a language."""
        tokyo, utc = at.astimezone(TOKYO), at.astimezone(datetime.UTC)
        if language == "ja":
            japan = f"{tokyo.year}年{tokyo.month}月{tokyo.day}日 {tokyo:%H:%M:%S}（日本時間）"
        else:
            japan = f"{tokyo.day} {tokyo:%B %Y}, {tokyo:%H:%M:%S} JST"
        return cls(japan, f"{utc:%Y-%m-%d %H:%M:%S} UTC", f"{utc:%Y-%m-%dT%H:%M:%SZ}")


@dataclasses.dataclass(frozen=True)
class Authority:
    """A CA by its certificate; its files and URLs are called by `name`."""

    name: str
    certificate: x509.Certificate

    @property
    def is_root(self) -> bool:
        """Tell whether it stands for itself."""
        return self.certificate.subject == self.certificate.issuer

    @property
    def pem(self) -> bytes:
        """Return the certificate as text."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def subject(self) -> str:
        """Return the name in the order in which it is written, C first."""
        return ", ".join(name.rfc4514_string() for name in self.certificate.subject.rdns)

    @property
    def key(self) -> str:
        """Return the kind of its key."""
        return kind_of(issuer_public_key(self.certificate)).name

    @property
    def serial(self) -> str:
        """Return the serial number in hexadecimal, as `openssl x509 -serial` prints it."""
        number = self.certificate.serial_number
        return number.to_bytes((number.bit_length() + 7) // 8).hex().upper()

    def fingerprint(self, hash: hashes.HashAlgorithm) -> list[str]:  # noqa: A002
        """Return a hash of the certificate as openssl prints it, in groups."""
        octets = self.certificate.fingerprint(hash)
        return [octets[start : start + _GROUP].hex(":").upper() for start in range(0, len(octets), _GROUP)]


@dataclasses.dataclass(frozen=True)
class Crl:
    """What the page tells of a published CRL."""

    number: int
    this_update: datetime.datetime
    next_update: datetime.datetime
    size: int

    def shown(self, language: str) -> dict[str, object]:
        """Return it with its times in words."""
        times = {name: Moment.of(getattr(self, name), language) for name in ("this_update", "next_update")}
        return {**vars(self), **times}


def read_authorities(folder: Path, issuer: str) -> list[Authority]:
    """Return the CAs whose certificates are published: the root, the issuer in use, former ones.

    Raises OSError or ValueError when the folder or a certificate cannot be read, or one of the first two is missing.
    """
    found = [
        Authority(path.stem, x509.load_der_x509_certificate(path.read_bytes())) for path in sorted(folder.glob("*.cer"))
    ]
    found.sort(key=lambda authority: (not authority.is_root, authority.name != issuer, authority.name))
    if not found or not found[0].is_root or all(authority.name != issuer for authority in found):
        raise ValueError(f"{folder} does not hold the certificates of the root and of {issuer}.")
    return found


class Repository:
    """The page, and the files of the public folder."""

    def __init__(
        self,
        look: Look,
        facts: Mapping[str, object],
        authorities: Sequence[Authority],
        folder: Path,
        database: store.Database,
    ) -> None:
        self._look = look
        self._authorities = authorities
        self._folder = folder
        self._database = database
        self._facts = {
            language: {**facts, "authorities": [_shown(each, language) for each in authorities]}
            for language in LANGUAGES
        }
        self._pems = {authority.name: authority.pem for authority in authorities}
        root_last = sorted(authorities, key=lambda authority: authority.is_root)
        self._pems["chain"] = b"".join(authority.pem for authority in root_last)
        self._root_crls: dict[tuple[Path, int], Crl | None] = {}

    async def show(self, request: web.Request) -> web.Response:
        """Show the repository."""
        language = language_of(request)
        found = [(authority.name, await self._crl(authority)) for authority in self._authorities]
        crls = {name: crl.shown(language) for name, crl in found if crl is not None}
        html = self._look.page("repository", language, {**self._facts[language], "crls": crls})
        return tagged(request, answer(html, _CACHE))

    async def certificate(self, request: web.Request) -> web.StreamResponse:
        """Send a CA certificate in DER."""
        return await self._file(request.match_info["name"] + ".cer", "application/pkix-cert")

    async def crl(self, request: web.Request) -> web.StreamResponse:
        """Send a CRL in DER."""
        return await self._file(request.match_info["name"] + ".crl", "application/pkix-crl")

    async def pem(self, request: web.Request) -> web.Response:
        """Send a CA certificate in PEM, or as `chain` all of them, the root last."""
        name = request.match_info["name"]
        if name not in self._pems:
            raise web.HTTPNotFound
        headers = {"Cache-Control": _CACHE, "Content-Disposition": f'attachment; filename="{name}.pem"'}
        return tagged(request, web.Response(body=self._pems[name], content_type=MediaType.PEM_CHAIN, headers=headers))

    async def _file(self, name: str, media_type: str) -> web.StreamResponse:
        path = self._folder / name
        if not await asyncio.to_thread(path.is_file):
            raise web.HTTPNotFound
        headers = {
            "Content-Type": media_type,
            "Cache-Control": _CACHE,
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        return web.FileResponse(path, chunk_size=_PIECE, headers=headers)

    async def _crl(self, authority: Authority) -> Crl | None:
        """Return what is published now, or None before the first CRL and when the root's cannot be read."""
        path = self._folder / f"{authority.name}.crl"
        try:
            file = await asyncio.to_thread(path.stat)
        except FileNotFoundError:
            return None
        if authority.is_root:
            return await self._root_crl(path, file.st_mtime_ns)
        record = await self._database.lookup(revocations.published_crl, authority.name)
        if record is None:
            return None
        return Crl(record.number, moment(record.this_update), moment(record.next_update), file.st_size)

    async def _root_crl(self, path: Path, written_at: int) -> Crl | None:
        """Return what the root's CRL says, read anew when somebody put another in its place."""
        if (path, written_at) not in self._root_crls:
            self._root_crls = {(path, written_at): await asyncio.to_thread(_read_crl, path)}
        return self._root_crls[path, written_at]


def _read_crl(path: Path) -> Crl | None:
    content = path.read_bytes()
    try:
        crl = x509.load_der_x509_crl(content)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (ValueError, x509.ExtensionNotFound):  # `reconcile` raises the alarm
        return None
    return Crl(number, crl.last_update_utc, crl.next_update_utc or crl.last_update_utc, len(content))


def _shown(authority: Authority, language: str) -> dict[str, object]:
    """Return what the page shows of a CA."""
    certificate = authority.certificate
    return {
        "name": authority.name,
        "is_root": authority.is_root,
        "subject": authority.subject,
        "key": authority.key,
        "serial": authority.serial,
        "not_before": Moment.of(certificate.not_valid_before_utc, language),
        "not_after": Moment.of(certificate.not_valid_after_utc, language),
        "sha256": authority.fingerprint(hashes.SHA256()),
        "sha1": authority.fingerprint(hashes.SHA1()),  # noqa: S303 - the thumbprint that Windows shows
    }
