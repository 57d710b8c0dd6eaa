"""What the fuzz drill mutates: real accounts, orders and certificates, and the requests that are valid on them."""

import asyncio
import dataclasses
import json
import random

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from keys import algorithms
from keys.algorithms import PrivateKey
from keys.generate import generate
from protocol import base64url, jws
from protocol.credential import mac_key, make_mac
from tests.drills.enrolling import Caller, Candidate, Signer, bind, enrol, order
from tests.end_to_end.agency import Invitation


@dataclasses.dataclass(frozen=True)
class Request:
    """A valid request: who signs it, where it goes, and its payload."""

    signer: Signer
    url: str
    payload: dict[str, object]


@dataclasses.dataclass
class Terrain:
    """The seats of one worker: `ready` to be finalized, `held` certificates, `spare` URLs that nobody bound."""

    caller: Caller
    ready: list[Candidate]
    held: list[Candidate]
    spare: list[Invitation]
    finalize: dict[str, str] = dataclasses.field(default_factory=dict)
    authorization: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    async def prepared(cls, caller: Caller, invitations: list[Invitation]) -> "Terrain":
        """Bind, order and enrol: a third of the seats each."""
        third = len(invitations) // 3
        ready = [Candidate(each) for each in invitations[:third]]
        held = [Candidate(each) for each in invitations[third : 2 * third]]
        terrain = cls(caller, ready, held, invitations[2 * third :])
        for candidate in ready:
            await bind(caller, candidate)
            opened = await order(caller, candidate)
            terrain.finalize[candidate.invitation.cn] = str(opened["finalize"])
            terrain.authorization[candidate.invitation.cn] = str(opened["authorizations"][0])  # type: ignore[index]
        await asyncio.gather(*(enrol(caller, candidate) for candidate in held))
        return terrain

    def valid(self, chance: random.Random) -> Request:
        """Return one of the requests that a client makes."""
        makers = (
            self.new_account, self.update, self.new_order, self.finalized, self.give_up, self.revoked, self.key_change,
        )  # fmt: skip
        return chance.choice(makers)(chance)

    def new_account(self, chance: random.Random) -> Request:
        """newAccount by a new key on a spare URL."""
        candidate = Candidate(chance.choice(self.spare))
        url = self.caller.url("new-account")
        payload = {
            "termsOfServiceAgreed": True,
            "contact": ["mailto:pc@midori.example"],
            "externalAccountBinding": candidate.binding(url),
            "device": {"hostName": "PC-1", "os": "Windows 11", "store": "files", "agent": "drill"},
        }
        return Request(Signer(candidate.account_key), url, payload)

    def update(self, chance: random.Random) -> Request:
        """An account's own change of contacts."""
        signer = chance.choice(self.ready + self.held).signer
        return Request(signer, str(signer.account_url), {"contact": ["mailto:pc@midori.example"]})

    def new_order(self, chance: random.Random) -> Request:
        """newOrder, of a first certificate or of a successor."""
        candidate = chance.choice(self.ready + self.held)
        payload: dict[str, object] = {
            "identifiers": [{"type": "permanent-identifier", "value": candidate.invitation.cn}]
        }
        if candidate.chain is not None and chance.random() < 0.5:
            payload["replaces"] = certificate_id(candidate)
        return Request(candidate.signer, self.caller.url("new-order"), payload)

    def finalized(self, chance: random.Random) -> Request:
        """finalize of a ready order."""
        candidate = chance.choice(self.ready)
        payload = json.loads(candidate.finalize())
        return Request(candidate.signer, self.finalize[candidate.invitation.cn], payload)

    def give_up(self, chance: random.Random) -> Request:
        """Deactivation of an authorization."""
        candidate = chance.choice(self.ready)
        return Request(candidate.signer, self.authorization[candidate.invitation.cn], {"status": "deactivated"})

    def revoked(self, chance: random.Random) -> Request:
        """revokeCert by the account or by the certificate's key."""
        candidate = chance.choice(self.held)
        signer = candidate.signer if chance.random() < 0.5 else Signer(candidate.certificate_key)
        payload = {"certificate": base64url.encode(leaf_of(candidate)), "reason": 4}
        return Request(signer, self.caller.url("revoke-cert"), payload)

    def key_change(self, chance: random.Random) -> Request:
        """KeyChange to a new key, the inner JWS in its payload."""
        candidate = chance.choice(self.held)
        url = self.caller.url("key-change")
        inner = {"account": candidate.account_url, "oldKey": jws.jwk(candidate.account_key.public_key())}
        fresh = generate("P-256")
        protected = {"alg": "ES256", "jwk": jws.jwk(fresh.public_key()), "url": url}
        return Request(
            candidate.signer, url, dict(signed(fresh, json.dumps(protected).encode(), json.dumps(inner).encode()))
        )


def leaf_of(candidate: Candidate) -> bytes:
    """Return the DER of the candidate's certificate."""
    assert candidate.chain is not None
    return x509.load_pem_x509_certificate(candidate.chain).public_bytes(Encoding.DER)


def certificate_id(candidate: Candidate) -> str:
    """Return the CertID of RFC 9773 §4.1, made here anew from its text."""
    leaf = x509.load_der_x509_certificate(leaf_of(candidate))
    key_id = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    serial = leaf.serial_number.to_bytes(leaf.serial_number.bit_length() // 8 + 1)
    return f"{base64url.encode(key_id)}.{base64url.encode(serial)}"


def signed(key: PrivateKey, protected: bytes, payload: bytes) -> dict[str, str]:
    """Return the flattened JWS over whatever octets, signed as ES256 signs (RFC 7518 §3.4)."""
    members = {"protected": base64url.encode(protected), "payload": base64url.encode(payload)}
    r, s = decode_dss_signature(algorithms.sign(key, f"{members['protected']}.{members['payload']}".encode()))
    return {**members, "signature": base64url.encode(r.to_bytes(32) + s.to_bytes(32))}


def bound(invitation: Invitation, protected: bytes, payload: bytes) -> dict[str, str]:
    """Return a binding over whatever octets with a MAC that is right."""
    members = {"protected": base64url.encode(protected), "payload": base64url.encode(payload)}
    mac = make_mac(
        mac_key(invitation.kid, invitation.password), f"{members['protected']}.{members['payload']}".encode()
    )
    return {**members, "signature": base64url.encode(mac)}
