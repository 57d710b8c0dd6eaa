"""Writes a relying-party kit: the configuration of a web server, or a Python module, that lets the right PC in.

A kit is a folder: the CA's certificates and CRLs, a job that keeps the CRLs fresh, the server's configuration, pages
that tell people what the server thinks of their certificate, and a README. What differs between the servers stands in
their templates; what people and programs are told stands in the shared ones, a page for each verdict. Whatever the
operator and the CA say goes into these files by one of the filters here, or is plain enough to need none.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jinja2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

HERE: Final = Path(__file__).parent
ROOT: Final = "root"
"""The name of the root's files and of its CRL."""

WEB_SERVERS: Final = {
    "nginx": ("nginx.conf", "systemctl reload nginx"),
    "apache": ("apache.conf", "systemctl reload apache2"),
    "haproxy": ("haproxy.cfg", "systemctl reload haproxy"),
}
"""The configuration's file and the command that makes the server read it and the CRLs again."""
SERVERS: Final = (*WEB_SERVERS, "python")

VERDICTS: Final = (
    "valid", "none", "revoked", "expired", "not-yet-valid", "other-institution", "untrusted", "unknown",
)  # fmt: skip
"""What a server can think of a certificate; each is a page for people and a document for programs."""

# How each server is told to put a value into a page, and into a document for programs.
_ECHO: Final = {
    "nginx": ('<!--# echo var="warifu_{}" default="" -->', '<!--# echo var="warifu_{}" default="" encoding="none" -->'),
    "apache": ('<!--#echo var="warifu_{}" -->', '<!--#echo encoding="none" var="warifu_{}" -->'),
    "haproxy": ("%[var(txn.warifu_{})]", "%[var(txn.warifu_{})]"),
}
_PLAIN: Final = re.compile(r"[A-Za-z0-9:/._\[\]-]+")
_UPSTREAM: Final = re.compile(r"http://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")
_SPECIAL: Final = frozenset(',+"\\<>;')


class NotPlain(ValueError):
    """A name, path or URL has another form, or characters that one of the configurations could take for its own."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"{name}: {value!r} is not plain")
        self.name, self.value = name, value


@dataclass(frozen=True)
class Authority:
    """What a relying system has to know of the CA."""

    organization: str
    """O of every subject."""
    http_url: str
    """Where OCSP and CRLs are had."""
    root: x509.Certificate
    issuing: Mapping[str, x509.Certificate]
    """The issuing CAs whose certificates PCs show, or will: by their names in files and URLs, the one in use first."""
    crls: Mapping[str, bytes]
    """The CRLs that are published already, in DER, by `root` and the issuing CAs' names."""
    ocsp_answer_minutes: int
    contact: str
    """Whom people call: name, telephone, mail and hours in one line."""


@dataclass(frozen=True)
class Kit:
    """What the operator of a relying system asks for."""

    server: str
    """One of SERVERS."""
    folder: Path
    """Where the kit lies, and where its files say that it lies: absolute."""
    server_name: str
    institutions: tuple[str, ...]
    """The only institutions that are let in; all of this CA when there are none."""
    upstream: str
    """The system behind the server: http://host:port."""


def write(kit: Kit, authority: Authority) -> list[Path]:
    """Write the kit into its folder, which is empty or not there yet, and return its files.

    Raises NotPlain when a value cannot stand in a configuration, FileExistsError when the folder holds something.
    """
    for name, value in (
        ("output", str(kit.folder)),
        ("server-name", kit.server_name),
        ("upstream", kit.upstream),
        ("http_url", authority.http_url),
        *(("issuer", name) for name in authority.issuing),
    ):
        if not (_UPSTREAM if name == "upstream" else _PLAIN).fullmatch(value):
            raise NotPlain(name, value)
    kit.folder.mkdir(parents=True, exist_ok=True)
    if any(kit.folder.iterdir()):
        raise FileExistsError(kit.folder)
    files = {**_trust(authority), **_job(kit, authority), "README.md": _text("README.md", kit, authority)}
    files |= _verification() if kit.server == "python" else _configuration(kit, authority)
    for path, content in files.items():
        place = kit.folder / path
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        # Nothing here is secret, and workers without privileges read it, whatever the umask is.
        place.parent.chmod(0o755)
        place.chmod(0o755 if path == "fetch-crls" else 0o644)
    return sorted(kit.folder / path for path in files)


def _trust(authority: Authority) -> dict[str, bytes]:
    """Return the chain, its certificates one by one, and the CRLs so far: a server can start with them at once."""
    certificates = {ROOT: authority.root, **authority.issuing}
    pem = {name: certificate.public_bytes(Encoding.PEM) for name, certificate in certificates.items()}
    files = {f"crls/{name}.pem": each for name, each in pem.items()}
    crls = {name: der for name, der in authority.crls.items() if name in certificates}
    files |= {f"crls/{name}.crl": der for name, der in crls.items()}
    files["crl.pem"] = b"".join(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in crls.values())
    files["ca-chain.pem"] = b"".join(pem.values())
    return files


def _job(kit: Kit, authority: Authority) -> dict[str, str | bytes]:
    """Return what keeps the CRLs fresh."""
    return {
        "fetch-crls": (HERE / "fetch_crls.py").read_bytes(),
        "fetch-crls.ini": _text("fetch-crls.ini", kit, authority),
        "warifu-crls.service": _text("warifu-crls.service", kit, authority),
        "warifu-crls.timer": _text("warifu-crls.timer", kit, authority),
    }


def _verification() -> dict[str, bytes]:
    return {"verification.py": (HERE / "verification.py").read_bytes()}


def _configuration(kit: Kit, authority: Authority) -> dict[str, str]:
    """Return the server's configuration, and a page and a document for each verdict."""
    name, _ = WEB_SERVERS[kit.server]
    files = {name: _text(f"{name}.jinja", kit, authority)}
    if kit.server == "nginx":
        files["warifu-headers.conf"] = _text("warifu-headers.conf", kit, authority)
    if kit.server == "apache":
        files["revoked.txt"] = _serials(authority)
    for verdict in VERDICTS:
        for kind, template in enumerate(("page.html", "page.json")):
            written = _text(template, kit, authority, verdict=verdict, value=_Values(kind))
            files[f"pages/{verdict}{Path(template).suffix}"] = _spelled(written, kit.server, kind)
    return files


def _serials(authority: Authority) -> str:
    """Return what `fetch-crls` writes as revoked.txt: serial numbers as OpenSSL writes them, in whole bytes."""
    numbers = [entry.serial_number for der in authority.crls.values() for entry in x509.load_der_x509_crl(der)]
    return "".join(
        f"{number.to_bytes((number.bit_length() + 7) // 8 or 1, 'big').hex().upper()} revoked\n" for number in numbers
    )


@dataclass(frozen=True)
class _Values:
    """Marks where a server puts a value: private characters, which no other text has."""

    kind: int

    def __getattr__(self, name: str) -> str:
        return f"\ue000{name}\ue001"


def _spelled(written: str, server: str, kind: int) -> str:
    """Return a page with its marks spelled for the server, in whose eyes nothing else of it is special."""
    if server == "haproxy":
        written = written.replace("%", "%%")
    return re.sub("\ue000(.+?)\ue001", lambda mark: _ECHO[server][kind].format(mark[1]), written)


def _text(template: str, kit: Kit, authority: Authority, **more: object) -> str:
    """Return a template filled in."""
    style = (HERE / "templates" / "style.css").read_text("utf-8")
    return _ENVIRONMENT.get_template(template).render(
        kit=kit,
        ca=authority,
        style=style,
        policy=_content_security_policy(style),
        organization_header=_header(rfc2253(authority.organization, in_ascii=True)),
        issuer_place=", ".join(
            part.rfc4514_string() for part in next(iter(authority.issuing.values())).subject.rdns[:-1]
        ),
        verdicts=VERDICTS,
        organization_regex=_regex(rfc2253(authority.organization, in_ascii=kit.server != "apache")),
        reload=WEB_SERVERS.get(kit.server, ("", ""))[1],
        **more,
    )


def rfc2253(text: str, *, in_ascii: bool) -> str:
    """Return an attribute's value as OpenSSL writes it into a name (RFC 2253 §2.4), which the servers hand on.

    nginx and HAProxy write bytes beyond ASCII as hexadecimal pairs, Apache leaves them as they are.
    """
    escaped = "".join(f"\\{character}" if character in _SPECIAL else character for character in text)
    if text.startswith(" ") or (text.startswith("#") and len(text) > 1):  # of a lone character it looks at the end
        escaped = f"\\{escaped}"
    if text.endswith(" ") and len(text) > 1:
        escaped = f"{escaped[:-1]}\\ "
    if not in_ascii:
        return escaped
    return "".join(chr(byte) if byte < 0x80 else f"\\{byte:02X}" for byte in escaped.encode())


def _regex(text: str) -> str:
    """Return a pattern that matches the text alone and has no character that a configuration gives a meaning to."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 0x80 else f"\\x{byte:02X}" for byte in text.encode())


def _header(text: str) -> str:
    """Return a text for a quoted value of Apache's RequestHeader, in which `%` begins a variable."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "\\\\24")


def _content_security_policy(style: str) -> str:
    """Return the policy of the pages: nothing but their own style, named by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _quoted(text: str) -> str:
    """Return a JSON text that neither HTML nor a server-side include can see anything in."""
    return json.dumps(text, ensure_ascii=False).replace("<", "\\u003c")[1:-1]


_ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # noqa: S701 - most are configurations; what goes into a page passes `html` by name
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters |= {"html": html.escape, "json": _quoted}
