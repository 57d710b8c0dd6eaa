"""CRLs in partitions: openssl judges by the list that a certificate names, nginx by that list or by the list of all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.agency import Agency
from tests.end_to_end.judges import GOOD, REVOKED, judge
from tests.end_to_end.test_lifecycle import until
from tests.end_to_end.test_relying_systems import change, enrol, fetch_crls
from tests.end_to_end.web_servers import SERVERS, open_folder, upstream, write_kit

PARTITIONS = 2


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    """Run an agency that spreads its certificates over partitions."""
    made = Agency(tmp_path)
    made.configure("validity_days = 32", f"validity_days = 32\ncrl_partitions = {PARTITIONS}")
    made.serve()
    try:
        yield made
        made.balance()
    finally:
        made.stop()


@pytest.mark.slow
def test_a_certificate_in_a_partition_is_judged_by_its_own_list_and_by_that_of_all(
    agency: Agency, tmp_path: Path
) -> None:
    (invitation,) = agency.approve(1)
    pc = enrol(agency, invitation, tmp_path / "pc")
    own = f"/crl/issuing-1-{1 + pc.leaf.serial_number % PARTITIONS}.crl"
    with upstream() as behind, open_folder() as folder:
        kits = {name: write_kit(agency, "nginx", folder / name, upstream=behind.url) for name in ("all", "own")}
        for kit in kits.values():
            change(kit, "ssl_ocsp leaf;", "")  # by the CRL alone
        ini = kits["own"] / "fetch-crls.ini"
        ini.write_text(ini.read_text("utf-8").replace("/crl/issuing-1.crl", own), "utf-8")
        (kits["own"] / "crls" / "issuing-1.crl").unlink()
        with SERVERS["nginx"](folder / "1", kits["all"]) as whole, SERVERS["nginx"](folder / "2", kits["own"]) as part:
            fetch_crls(kits["own"], part)
            assert judge(pc.leaf, agency.root_certificate(), tmp_path) == GOOD
            until(lambda: part.get("/", pc).status == 200)
            assert whole.get("/", pc).status == 200
            agency.revoke(invitation.cn)
            until(lambda: judge(pc.leaf, agency.root_certificate(), tmp_path) == REVOKED)
            for name, server in (("all", whole), ("own", part)):
                fetch_crls(kits[name], server)
                until(lambda server=server: server.get("/", pc).status == 403)  # type: ignore[misc]
