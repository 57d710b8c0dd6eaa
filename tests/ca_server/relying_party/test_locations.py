"""A kit goes on to hold when its operator adds places of the system's own to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ca_server.relying_party.test_judgement import OURS, Gate, write_kit
from tests.end_to_end import web_servers
from tests.end_to_end.web_servers import SERVERS, Upstream

FORGED = ("--header", "X-Client-CN: F999999-001")
TELLING = {
    "nginx": """\
    location /reports/ { proxy_pass UPSTREAM; }
    location ~ ^/warifu-self-test. { proxy_pass UPSTREAM; }
    location /live/ {
        proxy_pass UPSTREAM;
        proxy_set_header Upgrade $http_upgrade;
        include KIT/warifu-headers.conf;
    }
""",
    "apache": """\
    <Location "/reports/">
        ProxyPass UPSTREAM/reports/
    </Location>
    <Location "/live/">
        Require all granted
        RequestHeader set Upgrade x
        ProxyPass UPSTREAM/live/
    </Location>
""",
    "haproxy": """\
    use_backend reports if { path_beg /reports/ /live/ }
""",
}
"""Places that are told who comes."""
FORGETFUL = """\
    location /forgetful/ { proxy_pass UPSTREAM; proxy_set_header Host localhost; }
"""
BEFORE = {
    "nginx": ("nginx.conf", "    location / {"),
    "apache": ("apache.conf", "</VirtualHost>"),
    "haproxy": ("haproxy.cfg", "    default_backend system"),
}


def add(kit: Path, name: str, behind: Upstream) -> None:
    """Add the places as an operator would."""
    file, line = BEFORE[name]
    added = TELLING[name] + (FORGETFUL if name == "nginx" else "")
    text = (kit / file).read_text("utf-8")
    assert line in text
    text = text.replace(line, added.replace("UPSTREAM", behind.url).replace("KIT", str(kit)) + line, 1)
    if name == "haproxy":
        text += f"\nbackend reports\n    server system {behind.url.removeprefix('http://')}\n"
    (kit / file).write_text(text, "utf-8")


@pytest.fixture(scope="module")
def behind() -> Iterator[Upstream]:
    with web_servers.upstream() as running:
        yield running


@pytest.fixture(scope="module", params=list(SERVERS))
def gate(request: pytest.FixtureRequest, behind: Upstream) -> Iterator[Gate]:
    with web_servers.open_folder() as folder:
        kit = write_kit(folder / "kit", request.param, behind, OURS.crl(of=OURS.root), OURS.crl())
        add(kit, request.param, behind)
        with SERVERS[request.param](folder / "run", kit) as server:
            yield Gate(request.param, server, folder)


@pytest.mark.parametrize(
    "path",
    [
        "/reports/", "/live/", "/forgetful/", "/reports/warifu-self-test", "/warifu-self-test/",
        "/warifu-self-test/../reports/",
        "/warifu-self-test/%2e%2e/reports/", "/warifu-self-test/..%2freports/", "/warifu-self-test%2f..%2freports/",
        "/warifu-self-test;/../reports/", "/WARIFU-SELF-TEST", "/warifu-self-test%0a", "/warifu-self-test.json%0A",
        "/warifu-self-test%0a/../reports/", "//warifu-self-test/..//reports/", "/warifu-self-test.html",
        "/warifu/page", "/warifu/page/", "/warifu/document", "/warifu/refusal", "/warifu/page%0a",
        "/warifu/../reports/", "/reports/?/warifu-self-test", "/reports/%3f/../../warifu-self-test/x",
    ],
)  # fmt: skip
def test_without_a_certificate_nobody_reaches_a_place_that_was_added(gate: Gate, behind: Upstream, path: str) -> None:
    before = len(behind.seen)
    for options in (("--http1.1",), ("--http2",), FORGED):
        answer = gate.server.get(path, None, "--path-as-is", *options)
        assert len(behind.seen) == before, answer
        assert answer.status in (200, 400, 403, 404)
        assert answer.status != 200 or "証明書が送られていません" in answer.body


@pytest.mark.parametrize("path", ["/reports/", "/live/"])
def test_a_place_that_was_added_is_told_who_comes(gate: Gate, path: str) -> None:
    answer = gate.server.get(path, gate.pc(OURS.certificate()))
    assert answer.status == 200, answer
    told = answer.json()
    assert (told["X_CLIENT_CN"], told["X_CLIENT_OU"]) == ("F123456-001", "F123456")
    assert int(told["X_CLIENT_SERIAL"], 16)
    assert told["X_CLIENT_DN"].startswith("CN=F123456-001,OU=F123456,O=")


@pytest.mark.parametrize("path", ["/reports/", "/live/", "/forgetful/"])
def test_nothing_that_is_forged_reaches_a_place_that_was_added(gate: Gate, path: str) -> None:
    answer = gate.server.get(path, gate.pc(OURS.certificate()), *FORGED)
    assert "F999999" not in answer.body
    assert answer.status == (400 if gate.name == "nginx" else 200)
