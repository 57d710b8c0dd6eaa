"""A lean ACME client for load: keys are made before the clock starts, one connection pool, the same code for all peers.

It speaks plain RFC 8555 on `protocol`'s building blocks; what differs between servers (EAB or open registration, an
authorization that is born valid or wants its challenge answered) it learns from the server's answers.
"""

import asyncio
import dataclasses
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from keys.algorithms import PrivateKey
from keys.csr import build_signing_request
from keys.generate import generate
from protocol import jws
from protocol.credential import mac_key

_JOSE = {"Content-Type": "application/jose+json"}
_POLL_SECONDS = 0.02


class Refused(Exception):
    """The server answered with a problem document."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One enrolment to be made: its name, its keys, its halves if the server wants any."""

    name: str
    account_key: PrivateKey
    csr: bytes
    halves: tuple[str, str] | None = None

    @classmethod
    def make(cls, name: str, halves: tuple[str, str] | None = None) -> "Job":
        """Make a job with fresh P-256 keys."""
        return cls(name, generate("P-256"), build_signing_request(generate("P-256"), None, [name]), halves)


class Caller:
    """Talks to one server."""

    def __init__(self, session: aiohttp.ClientSession, directory: Mapping[str, str], trust: ssl.SSLContext) -> None:
        self._session = session
        self._directory = directory
        self._trust = trust
        self._nonces: list[str] = []
        self.requests = 0

    async def enrol(self, job: Job) -> bytes:
        """Carry one enrolment through and return the chain."""
        account = await self._register(job)
        order_url, order = await self._order(job, account)
        for url in order["authorizations"]:
            await self._authorize(job, account, url)
        while order["status"] == "pending":
            order = await self._read(job, account, order_url)
        if order["status"] == "ready":
            csr = jws.encode(job.csr)
            _, order = await self._post(job, str(order["finalize"]), {"csr": csr}, account)
        while order["status"] == "processing":
            await asyncio.sleep(_POLL_SECONDS)
            order = await self._read(job, account, order_url)
        return await self._download(job, account, str(order["certificate"]))

    async def _register(self, job: Job) -> str:
        url = self._directory["newAccount"]
        payload: dict[str, object] = {"termsOfServiceAgreed": True}
        if job.halves is not None:
            kid, password = job.halves
            key = job.account_key.public_key()
            payload["externalAccountBinding"] = jws.bind(kid, mac_key(kid, password), url, key)
        headers, _ = await self._post(job, url, payload, None)
        return headers["Location"]

    async def _order(self, job: Job, account: str) -> tuple[str, dict[str, Any]]:
        payload = {"identifiers": [{"type": "dns", "value": job.name}]}
        headers, order = await self._post(job, self._directory["newOrder"], payload, account)
        return headers["Location"], order

    async def _authorize(self, job: Job, account: str, url: str) -> None:
        """Answer a challenge where the authorization is not valid yet, and wait for it."""
        authorization = await self._read(job, account, url)
        if authorization["status"] == "valid":
            return
        challenge = next(each for each in authorization["challenges"] if each["type"] == "http-01")
        await self._post(job, challenge["url"], {}, account)
        while authorization["status"] == "pending":
            await asyncio.sleep(_POLL_SECONDS)
            authorization = await self._read(job, account, url)

    async def _read(self, job: Job, account: str, url: str) -> dict[str, Any]:
        return (await self._post(job, url, None, account))[1]

    async def _download(self, job: Job, account: str, url: str) -> bytes:
        async with self._session.post(
            url, data=await self._signed(job, url, None, account), headers=_JOSE, ssl=self._trust
        ) as answer:
            self.requests += 1
            self._keep_nonce(answer)
            body = await answer.read()
            if answer.status != 200:
                raise Refused(body.decode())
            return body

    async def _post(
        self, job: Job, url: str, payload: object, account: str | None
    ) -> tuple[Mapping[str, str], dict[str, Any]]:
        for _ in range(10):
            data = await self._signed(job, url, payload, account)
            async with self._session.post(url, data=data, headers=_JOSE, ssl=self._trust) as answer:
                self.requests += 1
                self._keep_nonce(answer)
                document = json.loads(await answer.read())
                if answer.status < 300:
                    return answer.headers, document
                if not str(document.get("type", "")).endswith("badNonce"):
                    raise Refused(json.dumps(document))
        raise Refused("ten nonces in a row were bad")

    async def _signed(self, job: Job, url: str, payload: object, account: str | None) -> bytes:
        header: dict[str, object] = {"url": url, "nonce": await self._nonce()}
        header |= {"jwk": jws.jwk(job.account_key.public_key())} if account is None else {"kid": account}
        body = b"" if payload is None else json.dumps(payload).encode()
        return jws.sign(job.account_key, body, header)

    async def _nonce(self) -> str:
        if self._nonces:
            return self._nonces.pop()
        async with self._session.head(self._directory["newNonce"], ssl=self._trust) as answer:
            self.requests += 1
            return answer.headers["Replay-Nonce"]

    def _keep_nonce(self, answer: aiohttp.ClientResponse) -> None:
        if "Replay-Nonce" in answer.headers:
            self._nonces.append(answer.headers["Replay-Nonce"])


@dataclasses.dataclass(frozen=True)
class Load:
    """What a round of load brought: seconds for all, the latency of each, and the requests it took."""

    seconds: float
    latencies: list[float]
    requests: int
    chains: list[bytes]


async def load(directory_url: str, root: str, jobs: list[Job], at_once: int) -> Load:
    """Carry all jobs through, `at_once` at a time, and tell what it took."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(root)
    waiting = list(reversed(jobs))
    latencies: list[float] = []
    chains: list[bytes] = []
    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get(directory_url, ssl=trust) as answer:
            directory = await answer.json()
        caller = Caller(session, directory, trust)

        async def work() -> None:
            while waiting:
                began = time.perf_counter()
                chains.append(await caller.enrol(waiting.pop()))
                latencies.append(time.perf_counter() - began)

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(at_once)))
        return Load(time.perf_counter() - began, latencies, caller.requests, chains)
