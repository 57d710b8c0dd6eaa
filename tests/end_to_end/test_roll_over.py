"""A new issuing CA takes over while PCs have certificates of the old one, and nobody is refused for it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.end_to_end.acme_pc import AcmePc
from tests.end_to_end.agency import Agency
from tests.end_to_end.agency import agency as running_agency
from tests.end_to_end.judges import GOOD, REVOKED, judge, program
from tests.end_to_end.test_lifecycle import until

FORMER, NEW = "Client CA G1", "Client CA G2"


class Branch:
    """An agency that rolled over, with PCs that enrolled before and a kit that was made between the two steps."""

    def __init__(self, agency: Agency, folder: Path) -> None:
        self.agency = agency
        self.pcs = [AcmePc(agency, invitation) for invitation in agency.approve(4)]
        self.waiting = agency.approve(1)[0]
        self.orders = [pc.client.begin_finalization(pc.order()).body for pc in self.pcs]
        self.leaves = [chain[0] for chain in map(self.chain, self.pcs, self.orders)]
        agency.ca("root", "new-issuer", "--name", "issuing-2")
        self.too_early = agency.ca("root", "use-issuer", "--name", "issuing-2", code=4)
        self.restart()
        until((agency.folder / "public" / "issuing-2.crl").exists)
        agency.ca("relying-party", "nginx", "--output", str(folder / "kit"))
        self.kit = folder / "kit"
        agency.ca("root", "use-issuer", "--name", "issuing-2")
        self.restart()

    def restart(self) -> None:
        assert self.agency.stop() == 0
        self.agency.serve()

    @staticmethod
    def chain(pc: AcmePc, order: messages.Order) -> list[x509.Certificate]:
        """Download what an order led to."""
        answer = pc.client.net.post(order.certificate, None, new_nonce_url=pc.client.directory["newNonce"])
        return x509.load_pem_x509_certificates(answer.text.encode())


@pytest.fixture(scope="module")
def branch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Branch]:
    folder = tmp_path_factory.mktemp("roll-over")
    with running_agency(folder) as agency:
        yield Branch(agency, folder)


def issuer_of(certificate: x509.Certificate) -> str:
    (name,) = certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(name.value)


def test_the_new_one_takes_over_only_after_its_crl_is_published(branch: Branch) -> None:
    assert "CRL" in branch.too_early["error"]["detail"]


def test_a_certificate_of_the_former_one_stands_for_each_judge(branch: Branch, tmp_path: Path) -> None:
    leaf = branch.leaves[0]
    assert issuer_of(leaf) == FORMER
    assert judge(leaf, branch.agency.root_certificate(), tmp_path) == GOOD


def test_a_certificate_of_the_former_one_is_downloaded_with_the_chain_that_it_had(branch: Branch) -> None:
    leaf, issuer = branch.chain(branch.pcs[0], branch.orders[0])
    leaf.verify_directly_issued_by(issuer)
    assert leaf == branch.leaves[0]


def test_whoever_was_invited_before_gets_a_certificate_of_the_new_one(branch: Branch, tmp_path: Path) -> None:
    leaf = AcmePc(branch.agency, branch.waiting).enrol()
    assert issuer_of(leaf) == NEW
    assert judge(leaf, branch.agency.root_certificate(), tmp_path) == GOOD


def test_a_certificate_of_the_former_one_is_renewed_by_the_new_one(branch: Branch, tmp_path: Path) -> None:
    pc, leaf = branch.pcs[1], branch.leaves[1]
    assert pc.renewal_time(leaf) is not None
    successor = pc.enrol(replaces=leaf)
    assert issuer_of(successor) == NEW
    root = branch.agency.root_certificate()
    assert (judge(successor, root, tmp_path), judge(leaf, root, tmp_path)) == (GOOD, GOOD)


def test_both_certificates_of_a_cn_are_revoked_each_on_the_crl_of_its_own_issuer(
    branch: Branch, tmp_path: Path
) -> None:
    pc, leaf = branch.pcs[2], branch.leaves[2]
    successor = pc.enrol(replaces=leaf)
    branch.agency.revoke(pc.cn)
    root = branch.agency.root_certificate()
    for each, name in ((leaf, "issuing-1"), (successor, "issuing-2")):
        until(lambda each=each: judge(each, root, tmp_path) == REVOKED)
        crl = x509.load_der_x509_crl((branch.agency.folder / "public" / f"{name}.crl").read_bytes())
        assert {each.serial_number} == {leaf.serial_number, successor.serial_number} & {
            entry.serial_number for entry in crl
        }


def test_the_holder_revokes_a_certificate_of_the_former_one(branch: Branch, tmp_path: Path) -> None:
    leaf = branch.leaves[3]
    branch.pcs[3].client.revoke(leaf, 0)
    until(lambda: judge(leaf, branch.agency.root_certificate(), tmp_path) == REVOKED)


def test_a_kit_made_between_the_steps_goes_on_for_both_after_it_has_fetched_its_crls(
    branch: Branch, tmp_path: Path
) -> None:
    pc = branch.pcs[0]
    (tmp_path / "crl.pem").touch()
    fetched = subprocess.run([branch.kit / "fetch-crls"], capture_output=True, text=True, check=False)
    assert "issuing-2.crl" not in fetched.stderr
    successor = pc.enrol(replaces=branch.leaves[0])
    for number, each in enumerate((branch.leaves[0], successor)):
        leaf = tmp_path / f"{number}.pem"
        leaf.write_bytes(each.public_bytes(Encoding.PEM))
        words = [
            program("openssl"), "verify", "-purpose", "sslclient", "-crl_check_all", "-no-CApath", "-no-CAstore",
            "-CAfile", branch.kit / "ca-chain.pem", "-CRLfile", branch.kit / "crl.pem", leaf,
        ]  # fmt: skip
        assert subprocess.run(words, capture_output=True, check=False).returncode == 0
