"""Plays certreq.exe: -new makes a key and a request from an INF file, -accept completes it with a certificate."""

import base64
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.name import _ASN1Type

from tests.client.stand_ins.windows_pc import WindowsError, WindowsPc, point

_OS_VERSION = x509.ObjectIdentifier("1.3.6.1.4.1.311.13.2.3")


def main(state: Path, arguments: list[str]) -> int:
    """Run one command; the exit code is the HRESULT's low byte, as a system that is not Windows shows it."""
    verb, *rest = arguments
    options = [each for each in rest if each.startswith("-")]
    files = [Path(each) for each in rest if not each.startswith("-")]
    assert "-user" in options, "the machine's store wants an administrator"
    assert "-q" in options, "without it windows open"
    try:
        if verb == "-new":
            _new(WindowsPc(state), *files, overwrite="-f" in options)
        else:
            assert verb == "-accept"
            chain = pkcs7.load_der_pkcs7_certificates(files[0].read_bytes())
            WindowsPc(state).install_response(chain, None, any_root=False)
    except WindowsError as error:
        print(f"{error.message} 0x{error.code:08x}")
        return error.code & 0xFF
    return 0


def values(inf: bytes) -> dict[str, str]:
    """Return the values of [NewRequest] of an INF file in UTF-16."""
    assert inf.startswith(b"\xff\xfe"), "without a byte order mark it is read in the code page of the PC"
    section, found = "", {}
    for line in inf[2:].decode("utf-16-le").split("\r\n"):
        assert "\n" not in line
        if line.startswith("["):
            section = line
        elif line and section == "[NewRequest]":
            name, _, value = line.partition("=")
            found[name.strip()] = _unquoted(value.strip())
        elif line:
            assert line == 'Signature="$Windows NT$"'
    return found


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    inner = value[1:-1]
    assert value.endswith('"')
    assert '"' not in inner.replace('""', ""), "a quotation mark ends the value"
    return inner.replace('""', '"').replace("%%", "%")


def _new(pc: WindowsPc, policy: Path, request: Path, *, overwrite: bool) -> None:
    asked = values(policy.read_bytes())
    assert (asked["KeyAlgorithm"], asked["RequestType"], asked["MachineKeySet"]) == ("ECDSA_P256", "PKCS10", "FALSE")
    assert overwrite or not request.exists()
    provider, name = asked["ProviderName"], asked["KeyContainer"]
    key = pc.create_key(provider, name, exportable=asked["Exportable"] != "FALSE")
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_attribute(_OS_VERSION, b"10.0.22631.2", _tag=_ASN1Type.IA5String)
    usage = x509.KeyUsage(True, *[False] * 8)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = builder.add_extension(usage, critical=True).add_extension(identifier, critical=False)
    octets = base64.encodebytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)).decode()
    label = "NEW CERTIFICATE REQUEST"  # certreq's own
    request.write_text(f"-----BEGIN {label}-----\n{octets}-----END {label}-----\n")
    entry = {"name": asked["FriendlyName"], "key": [provider, name], "point": point(key).hex()}
    pc.add("Request", name, entry)
