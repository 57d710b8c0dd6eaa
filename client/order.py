"""Gets one certificate: an order, its finalization, the wait, the download (RFC 8555 §7.4).

The order's URL is written down before it is finalized, so that a process killed anywhere, or an answer lost, costs
nothing: the next one finds the order where it is, be it processing or valid, and downloads what was issued.
"""

from cryptography import x509
from cryptography.x509.oid import NameOID

from client.account import Account
from client.errors import CALL_HELP_DESK, ClientError, TryLater, from_problem
from client.language import sentence
from client.stores.generation import Generation
from client.transport import Answer, Deadline
from keys.csr import build_signing_request
from protocol.names import CommonName
from protocol.problems import Problem, ProblemType
from protocol.requests import Finalize, NewOrder
from protocol.resources import Order
from protocol.vocabulary import OrderStatus

_DELAY_SECONDS = 1.0


async def obtain(account: Account, request: NewOrder, generation: Generation, common_name: CommonName) -> None:
    """Get the certificate of a generation's key and install it there.

    Raises Problem as the server refuses, TryLater when it takes too long, ClientError for a wrong certificate.
    """
    # 1. The order: the one under way if it lives, else a new one, on disk before anything hangs on it.
    url, order = await _placed(account, request, generation)
    # 2. The request with the generation's key. It names nobody: the subject is the authority's to say (N3).
    answer: Answer | None = None
    if order.status is OrderStatus.READY:
        csr = build_signing_request(generation.key(), None)
        answer = await _finalized(account, url, order, Finalize(csr))
    # 3. Wait while the server signs.
    certificate_url = await _issued(account, url, answer)
    # 4. Fetch, look whether it is ours, and store.
    chain = (await account.fetch(certificate_url)).body
    generation.install(_checked(chain, generation, common_name))


async def _placed(account: Account, request: NewOrder, generation: Generation) -> tuple[str, Order]:
    remembered = generation.order()
    if remembered is not None:
        order = await _living(account, remembered)
        if order is not None:
            return remembered, order
        generation.remember_order(None)
    answer = await account.send(account.transport.directory.new_order, request.render())
    generation.remember_order(answer.location)
    return answer.location, Order.parse(answer.json())


async def _living(account: Account, url: str) -> Order | None:
    """Return the order under way, None when it came to nothing or is gone."""
    try:
        order = Order.parse((await account.fetch(url)).json())
    except Problem as problem:
        if problem.status == 404:
            return None
        raise
    return None if order.status is OrderStatus.INVALID else order


async def _finalized(account: Account, url: str, order: Order, request: Finalize) -> Answer:
    """Finalize. An order no longer ready was finalized by a request of ours whose answer was lost: look at it."""
    try:
        return await account.send(order.finalize, request.render())
    except Problem as problem:
        if problem.type is not ProblemType.ORDER_NOT_READY:
            raise
        return await account.fetch(url)


async def _issued(account: Account, url: str, answer: Answer | None) -> str:
    """Wait for the order to become valid and return the certificate's URL."""
    deadline = Deadline(account.transport.patience)
    while True:
        answer = answer or await account.fetch(url)
        order = Order.parse(answer.json())
        if order.status is OrderStatus.VALID and order.certificate is not None:
            return order.certificate
        if order.status is not OrderStatus.PROCESSING:
            raise _ended(order)
        await deadline.wait(answer.retry_after or _DELAY_SECONDS, _still_processing())
        answer = None


def _ended(order: Order) -> ClientError:
    if order.error is not None:
        status = order.error.get("status")
        return from_problem(Problem.parse(order.error, status if isinstance(status, int) else 403))
    return ClientError(
        "orderEnded",
        sentence("The order is {status}, and the server does not say why."),
        CALL_HELP_DESK,
        facts={"status": order.status.value},
    )


def _still_processing() -> TryLater:
    return TryLater(
        "processing",
        sentence("The server is still making the certificate."),
        sentence("Run the same command again later; it goes on where it was."),
    )


def _checked(pem: bytes, generation: Generation, common_name: CommonName) -> list[x509.Certificate]:
    """Return the chain, leaf first. Raises ClientError unless the leaf has our key and names our seat."""
    try:
        chain = x509.load_pem_x509_certificates(pem)
        names = [each.value for each in chain[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        ours = chain[0].public_key() == generation.key().public_key() and names == [str(common_name)]
    except ValueError:
        ours = False
    if not ours:
        raise ClientError(
            "foreignCertificate",
            sentence("The server sent something that is not the certificate of {cn} with this PC's key."),
            CALL_HELP_DESK,
            facts={"cn": common_name},
        )
    return chain
