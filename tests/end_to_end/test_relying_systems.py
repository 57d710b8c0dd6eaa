"""Relying systems let the right PC in: kits of `warifu-ca relying-party` in real nginx, Apache and HAProxy.

What Apache cannot do, its configuration says: it breaks the handshake off instead of sending a page (status 0 here),
and tells of other certificates than valid ones at its second port.
"""

import dataclasses
import http.client
import importlib.util
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import web_servers
from tests.end_to_end.agency import INSTITUTION, Agency, Invitation, environment
from tests.end_to_end.test_lifecycle import until
from tests.end_to_end.web_servers import SERVERS, Answer, ClientCertificate, Upstream, WebServer, write_kit

ASKING_OCSP = ("nginx", "apache")
OTHER = "F999999"
SELF_TEST = "/warifu-self-test"


@dataclasses.dataclass(frozen=True)
class RelyingSystem:
    """A server with a kit, and the system behind it."""

    name: str
    kit: Path
    server: WebServer
    behind: Upstream

    def enter(self, pc: ClientCertificate | None, *options: str) -> Answer:
        """Ask for what is protected."""
        return self.server.get("/", pc, *options)

    def verdict(self, pc: ClientCertificate | None) -> Any:
        """Return what the self-test tells programs; the page must show the same certificate."""
        port = self.server.ports[-1]
        document, page = (self.server.get(f"{SELF_TEST}{end}", pc, port=port) for end in (".json", ""))
        told = document.json()
        assert (document.status, page.status) == (200, 200)
        if told["certificate"] is not None:
            assert told["certificate"]["serial"] in page.body
        return told


@pytest.fixture(scope="module")
def behind() -> Iterator[Upstream]:
    with web_servers.upstream() as running:
        yield running


@pytest.fixture(scope="module", params=list(SERVERS))
def system(request: pytest.FixtureRequest, agency: Agency, behind: Upstream) -> Iterator[RelyingSystem]:
    """Run each server as its kit comes."""
    with web_servers.open_folder() as folder:
        kit = write_kit(agency, request.param, folder / "kit", upstream=behind.url)
        with SERVERS[request.param](folder / "run", kit) as server:
            yield RelyingSystem(request.param, kit, server, behind)


@pytest.fixture
def folder() -> Iterator[Path]:
    with web_servers.open_folder() as made:
        yield made


def enrol(agency: Agency, invitation: Invitation, folder: Path) -> ClientCertificate:
    """Get a certificate on a PC of its own."""
    got = agency.warifu(
        "enroll", invitation.url, "--password-stdin", "--yes", "--ca-file", str(agency.root),
        home=folder / invitation.cn, stdin=invitation.password + "\n",
    )  # fmt: skip
    return ClientCertificate(Path(got["certificate"]), Path(got["key"]))


@pytest.fixture(scope="module")
def pc(agency: Agency, _invited: Iterator[Invitation], tmp_path_factory: pytest.TempPathFactory) -> ClientCertificate:
    """A PC whose certificate stays valid."""
    return enrol(agency, next(_invited), tmp_path_factory.mktemp("pc"))


@pytest.fixture
def another_pc(agency: Agency, invitation: Invitation, tmp_path: Path) -> ClientCertificate:
    """A PC whose certificate may be revoked."""
    return enrol(agency, invitation, tmp_path / "another")


def fetch_crls(kit: Path, server: WebServer, code: int = 0) -> str:
    """Run a kit's job as its timer does, and return what it said."""
    ini = kit / "fetch-crls.ini"
    ini.write_text(re.sub("(?m)^command = .*$", f"command = {server.reload_command}", ini.read_text("utf-8")))
    done = subprocess.run([str(kit / "fetch-crls")], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == code, done.stderr
    return done.stderr


def change(kit: Path, before: str, after: str) -> None:
    """Change a kit's configuration as an operator would."""
    (path,) = (kit / name for name in ("nginx.conf", "apache.conf", "haproxy.cfg") if (kit / name).exists())
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


def common_name(pc: ClientCertificate) -> str:
    return pc.leaf.subject.rfc4514_string().partition(",")[0].removeprefix("CN=")


def test_a_valid_certificate_is_let_in_and_the_system_behind_is_told_whose_it_is(
    system: RelyingSystem, pc: ClientCertificate
) -> None:
    answer = system.enter(pc)
    assert answer.status == 200, answer
    told = {name: value for name, value in answer.json().items() if name.startswith("X_CLIENT")}
    organization = pc.leaf.subject.rdns[1].rfc4514_string().removeprefix("O=")
    assert told == {
        "X_CLIENT_CN": common_name(pc),
        "X_CLIENT_OU": INSTITUTION,
        "X_CLIENT_DN": f"CN={common_name(pc)},OU={INSTITUTION},O={organization},C=JP",
        "X_CLIENT_SERIAL": told["X_CLIENT_SERIAL"],
    }
    assert int(told["X_CLIENT_SERIAL"], 16) == pc.leaf.serial_number


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize(
    "forged",
    [
        "X-Client-CN: F999999-001", "x-client-cn: F999999-001", "X_Client_CN: F999999-001", "X-Client_CN: F999999-001",
        "X_Client-CN: F999999-001", "X.Client.CN: F999999-001", "X-Client-Serial: 00", "X-Client-DN;",
        "Connection: close, X-Client-CN", "X-Forwarded-For: 192.0.2.1",
    ],
)  # fmt: skip
def test_what_a_client_says_of_itself_does_not_get_through(
    system: RelyingSystem, pc: ClientCertificate, forged: str, version: str
) -> None:
    plain, answer = system.enter(pc).json(), system.enter(pc, version, "--header", forged)
    if answer.status in (
        400,
        403,
    ):  # nginx refuses who claims to be somebody; Apache cannot remove headers by a pattern
        assert (system.name, answer.status) in (("nginx", 400), ("apache", 403))
        return
    names = ("X_CLIENT_CN", "X_CLIENT_OU", "X_CLIENT_DN", "X_CLIENT_SERIAL", "X_FORWARDED_FOR")
    assert {name: answer.json().get(name) for name in names} == {name: plain.get(name) for name in names}


def test_without_a_certificate_nobody_is_let_in_and_the_page_says_what_to_do(system: RelyingSystem) -> None:
    before = len(system.behind.seen)
    answer = system.enter(None)
    assert answer.status == 403
    assert "証明書が送られていません" in answer.body
    assert "No certificate was sent" in answer.body
    assert answer.headers["cache-control"] == "no-store"
    assert len(system.behind.seen) == before
    assert system.verdict(None) == {"verdict": "none", "accepted": False, "certificate": None}


def test_the_self_test_tells_which_certificate_the_browser_sent(system: RelyingSystem, pc: ClientCertificate) -> None:
    told = system.verdict(pc)
    certificate = told.pop("certificate")
    assert told == {"verdict": "valid", "accepted": True}
    assert certificate["common_name"] == common_name(pc)
    assert certificate["institution"] == INSTITUTION
    assert int(certificate["serial"], 16) == pc.leaf.serial_number
    assert certificate["not_after"] == f"{pc.leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert certificate["days_left"] in ({None} if system.name == "haproxy" else {30, 31, 32})
    assert certificate["subject"].endswith(f", OU={INSTITUTION}, CN={common_name(pc)}")
    assert certificate["issuer"] == ", ".join(part.rfc4514_string() for part in pc.leaf.issuer.rdns)


def test_a_session_is_never_resumed_past_a_look_at_the_certificate(
    system: RelyingSystem, pc: ClientCertificate, tmp_path: Path
) -> None:
    session = tmp_path / "session"
    command = [
        web_servers.program("openssl"), "s_client", "-connect", f"localhost:{system.server.port}", "-ign_eof",
        "-cert", str(pc.chain), "-key", str(pc.key), "-CAfile", str(system.server.trust),
    ]  # fmt: skip
    for version in ("-tls1_2", "-tls1_3"):
        said = ""
        for option in ("-sess_out", "-sess_in"):
            if option == "-sess_out" or session.exists():
                said += _talk([*command, version, option, str(session)])
        assert "HTTP/1.1 200" in said
        assert "Reused, " not in said
        session.unlink(missing_ok=True)


def _talk(command: list[str]) -> str:
    request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return subprocess.run(
        command, input=request, capture_output=True, text=True, env=environment(), timeout=20, check=False
    ).stdout


@pytest.mark.parametrize("name", list(SERVERS))
def test_only_the_institutions_that_were_named_are_let_in(
    agency: Agency, behind: Upstream, pc: ClientCertificate, name: str, folder: Path
) -> None:
    for codes, status in (((OTHER,), 403), ((OTHER, INSTITUTION), 200)):
        place = folder / str(len(codes))
        options = [word for code in codes for word in ("--institution", code)]
        kit = write_kit(agency, name, place / "kit", *options, upstream=behind.url)
        with SERVERS[name](place / "run", kit) as server:
            system = RelyingSystem(name, kit, server, behind)
            answer = system.enter(pc)
            assert answer.status == status, answer
            assert ("この証明書の金融機関は" in answer.body) == (status == 403)
            assert system.verdict(pc)["verdict"] == ("valid" if status == 200 else "other-institution")


@pytest.mark.parametrize("name", ASKING_OCSP)
def test_a_revocation_is_known_at_the_next_connection_by_ocsp(
    agency: Agency, behind: Upstream, another_pc: ClientCertificate, name: str, folder: Path
) -> None:
    kit = write_kit(agency, name, folder / "kit", upstream=behind.url)
    with SERVERS[name](folder / "run", kit) as server:
        system = RelyingSystem(name, kit, server, behind)
        assert system.enter(another_pc).status == 200
        agency.revoke(common_name(another_pc))
        answer = system.enter(another_pc)
        assert answer.status == (403 if name == "nginx" else 0)
        assert (
            "この証明書は失効しています" if name == "nginx" else "certificate revoked"
        ) in answer.body + answer.trouble
        if name == "nginx":
            assert system.verdict(another_pc)["verdict"] == "revoked"


@pytest.mark.parametrize("name", list(SERVERS))
def test_a_revocation_is_known_by_the_crl_once_it_was_fetched_and_read(
    agency: Agency, behind: Upstream, another_pc: ClientCertificate, name: str, folder: Path
) -> None:
    kit = write_kit(agency, name, folder / "kit", upstream=behind.url)
    if name in ASKING_OCSP:  # by the CRL alone
        change(kit, *{"nginx": ("ssl_ocsp leaf;", ""), "apache": ("SSLOCSPEnable leaf", "SSLOCSPEnable off")}[name])
    with SERVERS[name](folder / "run", kit) as server:
        system = RelyingSystem(name, kit, server, behind)
        agency.revoke(common_name(another_pc))
        assert system.enter(another_pc).status == 200
        until(lambda: agency.ca("certificate", "show", common_name(another_pc))["status"] == "revoked")
        fetch_crls(kit, server)
        answer = until(lambda: (got := system.enter(another_pc)).status != 200 and got)
        assert answer.status == (0 if name == "apache" else 403)
        told = until(lambda: (got := system.verdict(another_pc))["verdict"] != "valid" and got)
        assert (told["verdict"], told["accepted"]) == ("revoked", False)
        assert int(told["certificate"]["serial"], 16) == another_pc.leaf.serial_number


@pytest.mark.parametrize("name", ASKING_OCSP)
def test_nobody_is_let_in_while_the_responder_is_away(
    agency: Agency, behind: Upstream, pc: ClientCertificate, name: str, folder: Path
) -> None:
    kit = write_kit(agency, name, folder / "kit", upstream=behind.url)
    change(kit, f"{agency.http_url}/ocsp", "http://127.0.0.1:9/ocsp")
    with SERVERS[name](folder / "run", kit) as server:
        system = RelyingSystem(name, kit, server, behind)
        assert system.enter(pc).status == (403 if name == "nginx" else 0)
        if name == "nginx":
            assert system.verdict(pc)["verdict"] == "unknown"
            assert "失効していないことを確認できません" in system.enter(pc).body


def test_an_open_connection_lives_on_after_a_revocation_as_the_configuration_says(
    agency: Agency, behind: Upstream, another_pc: ClientCertificate, folder: Path
) -> None:
    kit = write_kit(agency, "nginx", folder / "kit", upstream=behind.url)
    with SERVERS["nginx"](folder / "run", kit) as server:
        trust = ssl.create_default_context(cafile=server.trust)
        trust.load_cert_chain(another_pc.chain, another_pc.key)
        connection = http.client.HTTPSConnection("localhost", server.port, context=trust, timeout=10)
        assert _status(connection) == 200
        agency.revoke(common_name(another_pc))
        assert server.get("/", another_pc).status == 403
        assert _status(connection) == 200
        connection.close()


def _status(connection: http.client.HTTPSConnection) -> int:
    connection.request("GET", "/")
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


def test_a_forged_or_older_crl_is_not_taken_and_the_server_goes_on_with_the_old_one(
    agency: Agency, behind: Upstream, pc: ClientCertificate, folder: Path
) -> None:
    kit = write_kit(agency, "haproxy", folder / "kit", upstream=behind.url)
    with SERVERS["haproxy"](folder / "run", kit) as server:
        fetch_crls(kit, server)
        ini = kit / "fetch-crls.ini"
        honest = ini.read_text("utf-8")
        ini.write_text(honest.replace("/crl/issuing-1.crl", "/crl/root.crl"), "utf-8")
        assert "not a CRL that the CA has signed" in fetch_crls(kit, server, code=1)
        ini.write_text(honest.replace("/crl/issuing-1.crl", "/crl/nothing.crl"), "utf-8")
        assert "404" in fetch_crls(kit, server, code=1)
        ini.write_text(honest, "utf-8")
        assert fetch_crls(kit, server) == ""
        assert server.get("/", pc).status == 200


def test_the_python_module_accepts_a_real_certificate_until_it_is_revoked(
    agency: Agency, another_pc: ClientCertificate, folder: Path
) -> None:
    kit = write_kit(agency, "python", folder / "kit")
    found = importlib.util.spec_from_file_location("verification", kit / "verification.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[module.__name__] = module
    found.loader.exec_module(module)
    roots, intermediates = ((kit / "crls" / f"{name}.pem").read_bytes() for name in ("root", "issuing-1"))
    crls, url = (kit / "crl.pem").read_bytes(), f"{agency.http_url}/ocsp"
    verifier = module.Verifier(roots, intermediates, crls=crls, ocsp_url=url)
    chain, now = another_pc.chain.read_bytes(), datetime.now(UTC)
    assert verifier.verify(chain, now).serial == another_pc.serial
    agency.revoke(common_name(another_pc))
    assert module.Verifier(roots, intermediates, crls=crls).verify(chain, now).serial == another_pc.serial
    with pytest.raises(module.NotAccepted) as refused:
        verifier.verify(chain, now)
    assert refused.value.reason == "revoked"
    del sys.modules[module.__name__]


def test_the_command_answers_with_its_files_and_never_writes_into_a_folder_that_holds_something(
    agency: Agency, tmp_path: Path
) -> None:
    folder = tmp_path / "kit"
    told = agency.ca("relying-party", "python", "--output", str(folder))
    assert {Path(each) for each in told["files"]} == {each for each in folder.rglob("*") if each.is_file()}
    refused = agency.ca("relying-party", "nginx", "--output", str(folder), code=4)
    assert set(refused["error"]["fields"]) == {"output"}
    for option, value, field in (
        ("--institution", "F12345", "institution"),
        ("--server-name", "a;b", "server-name"),
        ("--upstream", "http://x/\n}", "upstream"),
        ("--upstream", "http://127.0.0.1:8000/path", "upstream"),
        ("--upstream", "https://127.0.0.1:8000", "upstream"),
    ):
        refused = agency.ca("relying-party", "nginx", "--output", str(tmp_path / "new"), option, value, code=4)
        assert set(refused["error"]["fields"]) == {field}
    assert not (tmp_path / "new").exists()
