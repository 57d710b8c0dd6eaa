"""The module for Python relying systems asks OCSP over http, and believes only what the CA's own signer says now."""

import contextlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca_server.authority import hierarchy
from ca_server.authority import ocsp as responder
from ca_server.authority.signer import Signer
from ca_server.clock import DAY
from ca_server.relying_party import verification
from ca_server.relying_party.verification import NotAccepted, Verifier
from keys.generate import generate
from protocol.vocabulary import RevocationReason
from tests.ca_server.relying_party.forge import KEY, POLICY, ca, pem

OURS, THEIRS = ca(), ca(number=1)
LEAF = OURS.certificate()
Answering = Callable[[bytes], bytes]


@contextlib.contextmanager
def answering(answer: Answering, status: int = 200, slowly: float = 0) -> Iterator[str]:
    """Run a responder that answers so, and yield its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(OSError):
                for place in range(0, len(content), 1 if slowly else 65536):
                    self.wfile.write(content[place : place + (1 if slowly else 65536)])
                    time.sleep(slowly)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/ocsp"
        finally:
            server.shutdown()
            thread.join()


def verify(url: str) -> str:
    judge = Verifier(pem(OURS.root.certificate), pem(OURS.issuing.certificate), ocsp_url=url)
    return judge.verify(pem(LEAF), OURS.at).common_name


def reason(answer: Answering, **how: float) -> str:
    with answering(answer, **how) as url, pytest.raises(NotAccepted) as refused:  # type: ignore[arg-type]
        verify(url)
    assert refused.value.reason in verification.REASONS
    return refused.value.reason


def honest(status: responder.OcspStatus = responder.GOOD, begin: int = -60, end: int = 3600) -> Answering:
    """Answer as the product does."""
    return lambda asked: responder.answer(
        responder.parse_request(asked), status, OURS.ocsp, OURS.now + begin, OURS.now + end
    )


def forged(
    signer: Signer = OURS.ocsp,
    *,
    leaf: x509.Certificate = LEAF,
    issuer: x509.Certificate = OURS.issuing.certificate,
    nonce: bytes | None = b"",
    shown: bool = True,
) -> Answering:
    """Answer `good` in another's name; the nonce is that of the request when it is empty, and left out when None."""

    def answer(asked: bytes) -> bytes:
        request = ocsp.load_der_ocsp_request(asked)
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=leaf,
            issuer=issuer,
            algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=OURS.at - timedelta(minutes=1),
            next_update=OURS.at + timedelta(hours=1),
            revocation_time=None,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
        if shown:
            builder = builder.certificates([signer.certificate])
        if nonce is not None:
            sent = request.extensions.get_extension_for_class(x509.OCSPNonce).value
            builder = builder.add_extension(x509.OCSPNonce(nonce) if nonce else sent, critical=False)
        return builder.sign(signer.private_key, hashes.SHA256()).public_bytes(Encoding.DER)

    return answer


def _signer(days: tuple[int, int] = (-1, 30), *, nocheck: bool = True, for_ocsp: bool = True) -> Signer:
    more: list[tuple[x509.ExtensionType, bool]] = [(x509.OCSPNoCheck(), False)] if nocheck else []
    purposes = [ExtendedKeyUsageOID.OCSP_SIGNING if for_ocsp else ExtendedKeyUsageOID.CLIENT_AUTH]
    return Signer(OURS.forged(purposes=purposes, days=days, more=more), KEY)  # type: ignore[arg-type]


def _former_signer() -> Signer:
    profile = hierarchy.HierarchyProfile(
        OURS.organization, POLICY, "http://ca.example/r.crl", "http://ca.example/r.cer"
    )
    return hierarchy.make_ocsp_signer(profile, OURS.issuing, generate("P-256"), OURS.now - 40 * DAY)


def test_a_good_answer_of_the_cas_signer_lets_the_certificate_in() -> None:
    for answer in (honest(), forged(), forged(OURS.issuing, shown=False)):
        with answering(answer) as url:
            assert verify(url) == "F123456-001"


REFUSED: dict[str, tuple[Answering, str]] = {
    "revoked": (honest(responder.revoked(OURS.now - 60, RevocationReason.keyCompromise)), "revoked"),
    "on hold": (honest(responder.revoked(OURS.now - 60, RevocationReason.certificateHold)), "revoked"),
    "not known": (honest(responder.UNKNOWN), "ocsp-unknown"),
    "later": (lambda _: responder.error(responder.ErrorCode.TRY_LATER), "ocsp-unreachable"),
    "of yesterday": (honest(begin=-90_000, end=-3600), "ocsp-stale"),
    "of tomorrow": (honest(begin=3600, end=90_000), "ocsp-stale"),
    "of another CA's signer": (forged(THEIRS.ocsp), "ocsp-invalid"),
    "of another CA": (forged(THEIRS.issuing), "ocsp-invalid"),
    "of the root": (forged(OURS.root), "ocsp-invalid"),
    "of a client": (forged(_signer(for_ocsp=False)), "ocsp-invalid"),
    "of a signer whose time is over": (forged(_former_signer()), "ocsp-invalid"),
    "of a signer who must be checked itself": (forged(_signer(nocheck=False)), "ocsp-invalid"),
    "of a signer who does not show itself": (forged(shown=False), "ocsp-invalid"),
    "about another certificate": (forged(leaf=OURS.certificate()), "ocsp-invalid"),
    "about another CA's": (forged(issuer=THEIRS.issuing.certificate), "ocsp-invalid"),
    "to another question": (forged(nonce=b"0123456789abcdef"), "ocsp-invalid"),
    "to any question": (forged(nonce=None), "ocsp-invalid"),
    "nothing": (lambda _: b"", "ocsp-invalid"),
    "no answer": (lambda asked: asked, "ocsp-invalid"),
    "far too long": (lambda _: b"\x30" * 1_000_000, "ocsp-unreachable"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_answer_lets_nobody_in(what: str) -> None:
    answer, why = REFUSED[what]
    assert reason(answer) == why


def test_who_answers_badly_slowly_or_not_at_all_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "SECONDS_TO_ANSWER", 0.3)
    assert reason(honest(), status=500) == "ocsp-unreachable"
    begun = time.monotonic()
    assert reason(honest(), slowly=0.02) == "ocsp-unreachable"
    assert time.monotonic() - begun < 5
    for url in ("http://127.0.0.1:9/ocsp", "file:///etc/hostname", "ftp://127.0.0.1/"):
        with pytest.raises(NotAccepted) as refused:
            verify(url)
        assert refused.value.reason == "ocsp-unreachable"


def test_a_delegate_with_the_right_purpose_is_believed_so_the_forgeries_above_fail_for_their_own_fault() -> None:
    with answering(forged(_signer())) as url:
        assert verify(url) == "F123456-001"
