"""Slow: slowhttptest holds both addresses by slow headers, slow bodies and slow reading, all at once.

Others are answered promptly meanwhile, and no slow connection lives longer than fifteen seconds. How long a connection
lives is seen from outside: in the kernel's table, on the server's side.
"""

import asyncio
import collections
import contextlib
import dataclasses
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import aiohttp

from tests.drills import planted
from tests.drills.figures import Figure, none_of
from tests.end_to_end.agency import Agency, environment

PROGRAM = "slowhttptest"
_SIZE_OF_A_LARGE_CRL = 3_000_000
_NEW_A_SECOND = 50
_PROMPT = 2
_HELD = ("01", "08")  # ESTABLISHED, CLOSE_WAIT
_EVERY = 0.2


@dataclasses.dataclass
class Attack:
    """One kind at one address: its options, and how long each of its connections was seen."""

    name: str
    url: str
    options: tuple[str, ...]
    first: dict[str, float] = dataclasses.field(default_factory=dict)
    last: dict[str, float] = dataclasses.field(default_factory=dict)
    open: set[str] = dataclasses.field(default_factory=set)

    @property
    def lives(self) -> list[float]:
        """Return the seconds that each connection lived."""
        return [self.last[port] - self.first[port] for port in self.first]


@dataclasses.dataclass
class Others:
    """What others got meanwhile."""

    slowest: float = 0
    failed: list[str] = dataclasses.field(default_factory=list)


def drill(
    folder: Path, connections: int = 200, within: float = 15, defect: str | None = None, *, impatient: bool = False
) -> list[Figure]:
    """Have `connections` of each kind at each address, and look on until a while after the last should be gone."""
    if shutil.which(PROGRAM) is None:
        return [Figure(f"slow: {PROGRAM} is missing", "-", "skipped", met=True)]
    with _standing(folder, defect, impatient=impatient) as agency:
        attacks = _attacks(agency)
        others = asyncio.run(_attacked(agency, attacks, connections, within))
    return [figure for attack in attacks for figure in judged(attack, connections, within)] + [
        Figure("slow: others, slowest", f"≤ {_PROMPT} s", f"{others.slowest:.2f} s", others.slowest <= _PROMPT),
        none_of("slow: others not answered", others.failed),
    ]


def judged(attack: Attack, connections: int, within: float) -> list[Figure]:
    """Return how many connections of an attack got in, and how long the longest lived."""
    longest, count = max(attack.lives, default=0), len(attack.lives)
    least = connections * 19 // 20  # one may fall between two looks
    return [
        Figure(f"slow: {attack.name}, connections", f"≥ {least}", str(count), count >= least),
        Figure(f"slow: {attack.name}, longest", f"≤ {within:.0f} s", f"{longest:.1f} s", 0 < longest <= within),
    ]


@contextlib.contextmanager
def _standing(folder: Path, defect: str | None, *, impatient: bool) -> Iterator[Agency]:
    agency = Agency(folder)
    (agency.folder / "public" / "large.crl").write_bytes(bytes(_SIZE_OF_A_LARGE_CRL))
    agency.serve_prefix = [sys.executable, planted.__file__]
    agency.serve_prefix += ["--defect", defect] if defect else []
    agency.serve_prefix += ["--impatient"] if impatient else []
    agency.serve()
    try:
        yield agency
    finally:
        agency.stop()


def _attacks(agency: Agency) -> list[Attack]:
    """Return each kind at each address, with its worst paths: a large answer to read, a body that is waited for."""
    plain, public = (f"{scheme}://127.0.0.1" for scheme in ("http", "https"))
    plain, public = f"{plain}:{agency.http_port}", f"{public}:{agency.public_port}"
    reading = ("-X", "-w", "1", "-y", "512", "-n", "3", "-z", "32", "-k", "3")
    return [
        Attack("headers, http", f"{plain}/ca/root.cer", ("-H", "-i", "1")),
        Attack("headers, https", f"{public}/directory", ("-H", "-i", "1")),
        Attack("body, http", f"{plain}/ocsp", ("-B", "-i", "1", "-s", "8000")),
        Attack(
            "body, https",
            f"{public}/acme/new-account",
            ("-B", "-i", "1", "-s", "8000", "-f", "application/jose+json"),
        ),
        Attack("reading, http", f"{plain}/crl/large.crl", reading),
        Attack("reading, https", f"{public}/crl/large.crl", reading),
    ]


async def _attacked(agency: Agency, attacks: list[Attack], connections: int, within: float) -> Others:
    seconds = int(within) + connections // _NEW_A_SECOND + 2
    others = Others()
    with _started(attacks, connections, seconds) as attackers:
        asking = asyncio.create_task(_ask(agency, others))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.to_thread(_look, (agency.http_port, agency.public_port), attackers)
            await asyncio.sleep(_EVERY)
        asking.cancel()
        await asyncio.wait([asking])
    return others


@contextlib.contextmanager
def _started(attacks: list[Attack], connections: int, seconds: int) -> Iterator[dict[int, Attack]]:
    """Start each attack; the key is the attacker's process."""
    counts = {"-c": connections, "-r": _NEW_A_SECOND, "-l": seconds, "-p": seconds}
    common = [each for name, count in counts.items() for each in (name, str(count))]
    with contextlib.ExitStack() as stack:
        attackers = {}
        for attack in attacks:
            command = [PROGRAM, *attack.options, *common, "-u", attack.url]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment())
            stack.callback(process.wait)
            stack.callback(process.terminate)
            attackers[process.pid] = attack
        yield attackers


def _look(served: tuple[int, int], attackers: Mapping[int, Attack]) -> None:
    """Note which connections of each attacker the server holds: by their ports, which others have after them."""
    held, inodes = set(), collections.defaultdict(set)
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        (_, local), (_, remote) = (each.split(":") for each in fields[1:3])
        if int(local, 16) in served and fields[3] in _HELD:
            held.add(remote)
        elif int(remote, 16) in served:
            inodes[f"socket:[{fields[9]}]"].add(local)
    now = time.monotonic()
    for pid, attack in attackers.items():
        fresh = held.intersection(_ports(pid, inodes)) - attack.first.keys()
        attack.first |= dict.fromkeys(fresh, now)
        attack.open = attack.open & held | fresh
        attack.last |= dict.fromkeys(attack.open, now)


def _ports(pid: int, inodes: Mapping[str, set[str]]) -> Iterator[str]:
    """Return the ports from which a process has connections."""
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                yield from inodes.get(str(descriptor.readlink()), ())


async def _ask(agency: Agency, others: Others) -> None:
    """Ask both addresses again and again, each time on a new connection."""
    connector = aiohttp.TCPConnector(ssl=agency.trust(), force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as session:
        while True:
            for url in (f"{agency.public_url}/directory", f"{agency.http_url}/ca/root.cer"):
                started = time.monotonic()
                try:
                    async with session.get(url) as answer:
                        if answer.status != 200:
                            others.failed.append(f"{url}: {answer.status}")
                        await answer.read()
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    others.failed.append(f"{url}: {error!r}")
                others.slowest = max(others.slowest, time.monotonic() - started)
            await asyncio.sleep(_EVERY)
