"""Orders, authorizations and certificates (RFC 8555 §7.4, §7.5)."""

import dataclasses
import json

from ca_server import logs, store
from ca_server.clock import Clock
from ca_server.domain.orders import OrderFacts
from ca_server.errors import NotFound
from ca_server.ids import new_id
from ca_server.language import sentence
from ca_server.operations import enrolment, issuance, steadiness
from ca_server.web import render
from ca_server.web.authenticate import Signed
from ca_server.web.issuers import Issuers
from ca_server.web.limits import Window
from ca_server.web.render import Answer, Urls
from keys.csr import parse_signing_request
from protocol import jws
from protocol.problems import Problem, ProblemType
from protocol.renewal_info import BadCertificateId, parse_certificate_id
from protocol.requests import AuthorizationUpdate, Finalize, NewOrder
from protocol.resources import Identifier
from protocol.vocabulary import MediaType


@dataclasses.dataclass(frozen=True)
class OrderHandlers:
    """The handlers of orders and what belongs to them."""

    database: store.Database
    room: issuance.Room
    issuers: Issuers
    urls: Urls
    clock: Clock
    orders_an_hour: Window

    async def create(self, signed: Signed) -> Answer:
        """newOrder (§7.4): 201 and ready at once; the account's own open order again for the same request."""
        self.orders_an_hour.require(signed.account)
        asked = NewOrder.parse(signed.members())
        request = enrolment.Request(
            new_id(),
            _pairs(asked.identifiers),
            asked.replaces,
            _replaced_serial(asked.replaces, self.issuers),
            None if asked.device is None else json.dumps(asked.device.render()),
        )
        now = self.clock.now()
        opened = await self.database.write(enrolment.order, signed.account, request, self.room.rules, now)
        if opened.fresh:
            self.orders_an_hour.count(signed.account)
        return self._answer(opened.order, now, status=201)

    async def show(self, signed: Signed) -> Answer:
        """Read an order."""
        signed.require_read()
        facts = await self.database.lookup(enrolment.show, signed.account, signed.path["order"])
        return self._answer(facts, self.clock.now())

    async def finalize(self, signed: Signed) -> Answer:
        """Plan, sign and store the certificate that the CSR's key is for (§7.4)."""
        csr = Finalize.parse(signed.members()).csr
        request = parse_signing_request(csr)
        thumbprint = jws.thumbprint(request.public_key)
        requested = issuance.Requested(
            signed.account, signed.path["order"], request, thumbprint, signed.address, signed.agent
        )
        steadiness.require_steady(self.clock)
        now = self.clock.now()
        facts = await issuance.finalize(self.database, self.room, requested, now)
        return self._answer(facts, now)

    async def authorization(self, signed: Signed) -> Answer:
        """Read an authorization, or give it up (§7.5.2)."""
        order_id, place = signed.path["order"], int(signed.path["place"])
        if signed.is_read:
            facts = await self.database.lookup(enrolment.show, signed.account, order_id)
        else:
            AuthorizationUpdate.parse(signed.members())
            facts = await self.database.write(enrolment.give_up_authorization, signed.account, order_id, place)
        authorization = render.authorization(facts, place, self.clock.now())
        if authorization is None:
            raise NotFound(sentence("There is no such authorization."))
        return Answer(authorization.render())

    async def certificate(self, signed: Signed) -> Answer:
        """Send the chain (§7.4.2): leaf first, then the issuing CA; the root is what the other side has."""
        signed.require_read()
        der = await self.database.lookup(enrolment.fetch, signed.account, signed.path["serial"])
        return Answer(self.issuers.chain(der), media_type=MediaType.PEM_CHAIN)

    def _answer(self, facts: OrderFacts, now: int, *, status: int = 200) -> Answer:
        logs.concerns(None, facts.cn)
        return render.order_answer(facts, self.urls, now, status=status)


def _pairs(identifiers: tuple[Identifier, ...]) -> tuple[tuple[str, str], ...]:
    if any("/" in identifier.value for identifier in identifiers):
        raise Problem(ProblemType.MALFORMED, "A permanent-identifier is the CN alone, without '/'.")
    return tuple((identifier.type, identifier.value) for identifier in identifiers)


def _replaced_serial(replaces: str | None, issuers: Issuers) -> str | None:
    if replaces is None:
        return None
    try:
        key_id, serial = parse_certificate_id(replaces)
    except BadCertificateId as error:
        raise Problem(ProblemType.MALFORMED, str(error)) from error
    if key_id not in issuers.key_ids:
        raise NotFound(sentence("`replaces` names a certificate of another issuer."))
    return f"{serial:x}"
