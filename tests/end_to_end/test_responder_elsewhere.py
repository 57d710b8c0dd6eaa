"""`warifu-ca responder` on a machine of its own: a folder with certificates, the OCSP signer's key and a token.

It holds no records, follows the main machine, and never tells good from ignorance.
"""

import contextlib
import dataclasses
import json
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ca_server import config, keyring
from ca_server.clock import DAY
from tests.ca_server.observing.test_text import read
from tests.end_to_end.agency import BIN, Agency, environment, free_ports
from tests.end_to_end.questions import Judge, judge
from tests.end_to_end.relying import enrolled, serial_of, settled, wait_until

_MANY = 3000
_NEVER_ISSUED = 0x1234567890ABCDEF
_COPIED = (
    "warifu.toml",
    "authority/issuing-1.pem",
    "authority/ocsp.pem",
    "authority/ocsp.key.pem",
    "secrets/ocsp.passphrase",
    "secrets/feed.token",
)


class Elsewhere:
    """A responder in a folder of its own, as docs/operator.md has it set up."""

    def __init__(self, agency: Agency, folder: Path, source: str | None = None) -> None:
        self.port, self.officers_port = free_ports(2)
        self.folder = folder
        for name in _COPIED:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(agency.folder / name, folder / name)
        shutil.copy2(agency.root, folder / "authority" / "root.pem")
        (folder / "public").mkdir()
        file = folder / "warifu.toml"
        text = file.read_text("utf-8")
        text = text.replace(f'http_listen = "127.0.0.1:{agency.http_port}"', f'http_listen = "127.0.0.1:{self.port}"')
        text = text.replace(f"127.0.0.1:{agency.officers_port}", f"127.0.0.1:{self.officers_port}")
        text += f'source = "{source or agency.public_url}"\nsource_ca_file = "authority/root.pem"\n'
        file.write_text(text, "utf-8")
        self.log = folder / "responder.log"
        self.process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator["Elsewhere"]:
        """Run it; it must end well when it is told to."""
        command = [str(BIN / "warifu-ca"), "--config", str(self.folder / "warifu.toml"), "responder"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment(), start_new_session=True)
        try:
            wait_until(lambda: "Ready: " in self.said(), 30)
            yield self
        finally:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(12) == 0, self.said()

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text("utf-8")

    def get(self, path: str) -> bytes:
        """Return a published file."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return bytes(answer.read())


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Agency, list[int], list[str]]]:
    """Run the main machine: with serials and CNs of good certificates, and thousands that are copies of one row."""
    agency = Agency(tmp_path_factory.mktemp("main"))
    (agency.folder / "secrets" / "feed.token").write_text(secrets.token_urlsafe(32) + "\n", "ascii")
    agency.append('[responder]\nfeed_token_file = "secrets/feed.token"\n')
    agency.serve()
    try:
        candidates = enrolled(agency, 4)
        _multiply(agency.folder / "warifu.db", _MANY)
        yield agency, [serial_of(each) for each in candidates], [each.invitation.cn for each in candidates]
    finally:
        if agency.process is not None:
            agency.stop()


def _multiply(database: Path, count: int) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(certificate)")]
        row = dict(zip(names, connection.execute("SELECT * FROM certificate ORDER BY cn").fetchone(), strict=True))
        (last,) = connection.execute("SELECT max(place) FROM certificate").fetchone()
        rows = [
            {**row, "serial": f"{number + (1 << 100):x}", "place": last + number, "credential_id": None}
            for number in range(1, count + 1)
        ]
        marks = ", ".join(f":{name}" for name in names)
        connection.executemany(f"INSERT INTO certificate VALUES ({marks})", rows)


@pytest.fixture(scope="module")
def elsewhere(
    main: tuple[Agency, list[int], list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Elsewhere]:
    """Run the other machine."""
    with Elsewhere(main[0], tmp_path_factory.mktemp("elsewhere")).running() as running:
        wait_until(lambda: judge(main[0].chain).ask(running.port, main[1][0], nonced=True).word == "good", 30)
        yield running


@pytest.fixture(scope="module")
def asked(main: tuple[Agency, list[int], list[str]]) -> Judge:
    """Return who asks and judges."""
    return judge(main[0].chain)


@pytest.mark.parametrize("nonced", [False, True])
def test_it_tells_good_and_unknown(
    main: tuple[Agency, list[int], list[str]], elsewhere: Elsewhere, asked: Judge, *, nonced: bool
) -> None:
    many = [(1 << 100) + number for number in (1, _MANY // 2, _MANY)]
    assert {asked.ask(elsewhere.port, serial, nonced=nonced).word for serial in (*main[1][:2], *many)} == {"good"}
    assert asked.ask(elsewhere.port, _NEVER_ISSUED, nonced=nonced).word == "unknown"


def test_it_brings_crls_and_ca_certificates_along(
    main: tuple[Agency, list[int], list[str]], elsewhere: Elsewhere
) -> None:
    public = main[0].folder / "public"
    published = sorted(each for each in public.iterdir() if each.suffix in (".crl", ".cer"))
    assert len(published) >= 4
    for each in published:
        path = f"/{'crl' if each.suffix == '.crl' else 'ca'}/{each.name}"
        wait_until(lambda path=path, each=each: elsewhere.get(path) == each.read_bytes(), 5)  # type: ignore[misc]


def test_a_revocation_is_seen_within_five_seconds(
    main: tuple[Agency, list[int], list[str]], elsewhere: Elsewhere, asked: Judge
) -> None:
    agency, serials, cns = main
    agency.revoke(cns[2])
    wait_until(lambda: {asked.ask(elsewhere.port, serials[2]).word for _ in range(8)} == {"revoked"}, 5)
    assert asked.ask(elsewhere.port, serials[2], nonced=True).word == "revoked"


class SlowLine:
    """A line to the main machine on which each connection brings so many bytes a second."""

    def __init__(self, port: int, bytes_a_second: int) -> None:
        self._to, self._rate = ("localhost", port), bytes_a_second
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Take no connection any more."""
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(self._to)
                for ends in ((here, there, 0.0), (there, here, 1 / self._rate)):
                    threading.Thread(target=self._bring, args=ends, daemon=True).start()

    @staticmethod
    def _bring(source: socket.socket, target: socket.socket, seconds_a_byte: float) -> None:
        with contextlib.suppress(OSError), source, target:
            while some := source.recv(1 << 14):
                time.sleep(len(some) * seconds_a_byte)
                target.sendall(some)


def test_a_revocation_does_not_wait_for_a_large_crl_on_a_slow_line(
    main: tuple[Agency, list[int], list[str]], asked: Judge, tmp_path: Path
) -> None:
    agency, serials, cns = main
    large = agency.folder / "public" / "large.crl"
    content = secrets.token_bytes(12_000_000)
    with contextlib.closing(SlowLine(agency.public_port, 400_000)) as line:
        far = Elsewhere(agency, tmp_path, line.url)
        with far.running():
            wait_until(lambda: asked.ask(far.port, serials[3]).word == "good", 20)
            try:
                large.write_bytes(content)
                time.sleep(2)  # it is on its way
                agency.revoke(cns[3])
                wait_until(lambda: {asked.ask(far.port, serials[3]).word for _ in range(8)} == {"revoked"}, 5)
                assert not (far.folder / "public" / large.name).exists()
            finally:
                large.unlink()


def test_while_the_main_machine_is_away_it_tells_what_is_ready_and_nothing_else(
    main: tuple[Agency, list[int], list[str]], elsewhere: Elsewhere, asked: Judge
) -> None:
    agency, serials, _ = main
    port, newest = elsewhere.port, (1 << 100) + _MANY
    wait_until(lambda: all(asked.ask(port, each).was_ready for each in (newest, serials[0])), 30)
    crl = agency.folder / "public" / "issuing-1.crl"
    wait_until(lambda: elsewhere.get("/crl/issuing-1.crl") == crl.read_bytes(), 30)
    agency.stop()
    try:
        wait_until(lambda: {asked.ask(port, serials[0], nonced=True).word for _ in range(8)} == {"TRY_LATER"}, 5)
        assert asked.ask(port, _NEVER_ISSUED).word == "TRY_LATER"
        assert asked.ask(port, serials[0]).word == "good"
        assert asked.ask(port, newest).word == "good"
        assert elsewhere.get("/crl/issuing-1.crl") == crl.read_bytes()
    finally:
        agency.serve()
    wait_until(lambda: {asked.ask(port, serials[0], nonced=True).word for _ in range(8)} == {"good"}, 5)
    assert asked.ask(port, _NEVER_ISSUED).word == "unknown"


def test_with_a_wrong_token_nothing_is_good_and_the_log_says_what_to_do(
    main: tuple[Agency, list[int], list[str]], asked: Judge, tmp_path: Path
) -> None:
    stranger = Elsewhere(main[0], tmp_path)
    (tmp_path / "secrets" / "feed.token").write_text(secret := secrets.token_urlsafe(32), "ascii")
    with stranger.running():
        wait_until(lambda: "feed_token_file" in stranger.said(), 30)
        assert asked.ask(stranger.port, main[1][0]).word == "TRY_LATER"
        assert asked.ask(stranger.port, _NEVER_ISSUED).word == "TRY_LATER"
    assert "ALARM" in stranger.said()
    assert secret not in stranger.said()


def test_a_signer_that_nobody_brought_along_is_told_before_it_ends(
    main: tuple[Agency, list[int], list[str]], asked: Judge, tmp_path: Path
) -> None:
    forgotten = Elsewhere(main[0], tmp_path)
    settings = config.load(main[0].config)
    (authority,) = settings.authorities
    there = dataclasses.replace(
        authority,
        ocsp_certificate=tmp_path / "authority" / "ocsp.pem",
        ocsp_key=tmp_path / "authority" / "ocsp.key.pem",
    )
    issuing = keyring.load_signer(
        authority.issuing_certificate, authority.issuing_key, authority.issuing_passphrase_file
    )
    keyring.renew_ocsp_signer(keyring.hierarchy_profile(settings), there, issuing, int(time.time()) - 25 * DAY)
    with forgotten.running():
        wait_until(lambda: "ocsp.pem: this OCSP signer ends soon" in forgotten.said(), 30)
        wait_until(lambda: asked.ask(forgotten.port, main[1][0]).word == "good", 30)


def test_the_feed_is_nothing_to_strangers_and_names_nobody_to_followers(
    main: tuple[Agency, list[int], list[str]],
) -> None:
    agency, serials, cns = main
    token = (agency.folder / "secrets" / "feed.token").read_text("ascii").strip()
    for shown in (None, "Bearer ", f"Bearer {token}x", f"Basic {token}", token):
        assert _fed(agency, shown)[0] == 404
    status, body = _fed(agency, f"Bearer {token}")
    assert status == 200
    assert f"{serials[0]:x}" in body
    assert not [each for each in (*cns, "F123456", "山田", "midori") if each in body]
    assert set(json.loads(body)) == {"until", "last", "changes", "witness", "files"}


def _fed(agency: Agency, shown: str | None) -> tuple[int, str]:
    request = urllib.request.Request(f"{agency.public_url}/responder/changes?after=0")
    if shown is not None:
        request.add_header("Authorization", shown)
    try:
        with urllib.request.urlopen(request, timeout=10, context=agency.trust()) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


def test_it_tells_its_own_watchers_what_it_answers_and_keeps(
    elsewhere: Elsewhere, main: tuple[Agency, list[int], list[str]], asked: Judge
) -> None:
    url = f"http://127.0.0.1:{elsewhere.officers_port}"

    def seen() -> dict[tuple[str, ...], float]:
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
            return read(answer.read())

    def signed() -> float:
        return seen()["warifu_ocsp_answers_total", "kind=signed"]

    before = settled(signed)
    asked.ask(elsewhere.port, main[1][0], nonced=True)
    wait_until(lambda: signed() == before + 1, 30)
    assert seen()["warifu_ready_answers",] >= _MANY
    with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
        assert json.load(answer) == {"ready": True, "reasons": []}
