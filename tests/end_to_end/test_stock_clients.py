"""Unmodified ACME clients enrol and renew, and relying systems judge what they got.

Every client gets what the two mails say and nothing else: the directory, the kid of the URL, the MAC key that the
password makes of it. A fresh certificate of 395 days may not be renewed yet, so the agency's live 32.
"""

import datetime
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from acme import messages
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.end_to_end.acme_pc import DNS, PERMANENT_IDENTIFIER, AcmePc
from tests.end_to_end.agency import Agency, Invitation, environment
from tests.end_to_end.conftest import ALIAS_SUFFIX
from tests.end_to_end.judges import GOOD, REVOKED, judge, program

ORGANIZATION = "Example Agency Client CA"


def test_certbot_enrols_and_renews(agency: Agency, invitation: Invitation, tmp_path: Path) -> None:
    name = invitation.cn.lower()
    certbot = [
        str(Path(sys.executable).parent / "certbot"), "--non-interactive", "--server", f"{agency.public_url}/directory",
        "--config-dir", str(tmp_path / "config"), "--work-dir", str(tmp_path), "--logs-dir", str(tmp_path),
    ]  # fmt: skip
    _run(
        [*certbot, "certonly", "--standalone", "--agree-tos", "--register-unsafely-without-email", "-d", name,
         "--eab-kid", invitation.kid, f"--eab-hmac-key={invitation.mac_key}"],
        REQUESTS_CA_BUNDLE=agency.root,
    )  # fmt: skip
    live = tmp_path / "config" / "live" / name / "fullchain.pem"
    first = _leaf(live, invitation.cn)
    # not forced: all of its 32 days are left, so that renewal information alone (RFC 9773) makes it due
    _run([*certbot, "renew", "--no-random-sleep-on-renew"], REQUESTS_CA_BUNDLE=agency.root)
    _assert_renewed(first, _leaf(live, invitation.cn))
    _assert_judged(agency, invitation.cn, [first, _leaf(live, invitation.cn)], tmp_path)


def test_lego_enrols_and_renews(agency: Agency, invitation: Invitation, tmp_path: Path) -> None:
    name = invitation.cn.lower()
    lego = [
        program("lego"), "--path", str(tmp_path), "--server", f"{agency.public_url}/directory", "--accept-tos",
        "--email", "pc@midori.example", "--eab", "--kid", invitation.kid, "--hmac", invitation.mac_key,
        "--domains", name, "--http",
    ]  # fmt: skip
    _run([*lego, "run"], LEGO_CA_CERTIFICATES=agency.root)
    first = _leaf(tmp_path / "certificates" / f"{name}.crt", invitation.cn)
    _run([*lego, "renew", "--days", "33", "--no-random-sleep"], LEGO_CA_CERTIFICATES=agency.root)
    # lego orders the names that it finds in the certificate, and stores what it gets by the first: the CN as it stands
    renewed = _leaf(tmp_path / "certificates" / f"{invitation.cn}.crt", invitation.cn)
    _assert_renewed(first, renewed)
    _assert_judged(agency, invitation.cn, [first, renewed], tmp_path)


def test_dehydrated_enrols(agency: Agency, invitation: Invitation, tmp_path: Path) -> None:
    name = invitation.cn.lower()
    _run(_dehydrated(agency, invitation, name, tmp_path))
    leaf = _leaf(tmp_path / "certs" / name / "fullchain.pem", invitation.cn)
    _assert_judged(agency, invitation.cn, [leaf], tmp_path)


def test_dehydrated_renews_a_certificate_that_was_ordered_below_the_operators_suffix(
    agency: Agency, invitation: Invitation, tmp_path: Path
) -> None:
    name = f"{invitation.cn.lower()}.{ALIAS_SUFFIX}"
    dehydrated = _dehydrated(agency, invitation, name, tmp_path)
    stored = tmp_path / "certs" / name / "fullchain.pem"
    _run(dehydrated)
    first = _leaf(stored, invitation.cn, dns_names=[name])
    time.sleep(1)  # dehydrated calls key and certificate by the second
    _run(dehydrated)
    renewed = _leaf(stored, invitation.cn, dns_names=[name])
    _assert_renewed(first, renewed)
    _assert_judged(agency, invitation.cn, [first, renewed], tmp_path)


@pytest.mark.parametrize("kind", [DNS, PERMANENT_IDENTIFIER], ids=str)
def test_the_acme_library_enrols_and_renews_what_it_replaces_in_the_window_it_is_told(
    agency: Agency, invitation: Invitation, tmp_path: Path, kind: messages.IdentifierType
) -> None:
    pc = AcmePc(agency, invitation)
    first = pc.enrol(kind)
    _assert_is_leaf(first, invitation.cn)
    moment = pc.renewal_time(first)
    assert moment is not None
    end = first.not_valid_after_utc
    assert end - datetime.timedelta(days=44) <= moment <= end - datetime.timedelta(days=33)
    second = pc.enrol(kind, replaces=first)
    _assert_is_leaf(second, invitation.cn)
    _assert_renewed(first, second)
    _assert_judged(agency, invitation.cn, [first, second], tmp_path)


def _dehydrated(agency: Agency, invitation: Invitation, name: str, folder: Path) -> list[str]:
    """Register with dehydrated and return its command for enrolling and renewing `name`."""
    config = folder / "config"
    config.write_text(
        f'CA="{agency.public_url}/directory"\nBASEDIR="{folder}"\nWELLKNOWN="{folder}"\nDOMAINS_TXT="{folder}/names"\n'
        f'CURL_OPTS="--cacert {agency.root}"\nEAB_KID="{invitation.kid}"\nEAB_HMAC_KEY="{invitation.mac_key}"\n'
        f'KEYSIZE="2048"\nKEY_ALGO="prime256v1"\nRENEW_DAYS="33"\n'
    )
    (folder / "names").write_text(name + "\n")
    dehydrated = [program("dehydrated"), "--config", str(config)]
    _run([*dehydrated, "--register", "--accept-terms"])
    return [*dehydrated, "--cron"]


def _run(command: Sequence[str], **trust: Path) -> None:
    variables = environment() | {name: str(path) for name, path in trust.items()}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _leaf(chain: Path, cn: str, dns_names: Sequence[str] = ()) -> x509.Certificate:
    leaf, _ = x509.load_pem_x509_certificates(chain.read_bytes())
    _assert_is_leaf(leaf, cn, dns_names)
    return leaf


def _assert_is_leaf(leaf: x509.Certificate, cn: str, dns_names: Sequence[str] = ()) -> None:
    """Demand the exact name of the seat, client authentication alone, and no SAN but the names that were ordered."""
    assert [(part.oid, part.value) for part in leaf.subject] == [
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.ORGANIZATION_NAME, ORGANIZATION),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, cn.partition("-")[0]),
        (NameOID.COMMON_NAME, cn),
    ]
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    alternatives = [each.value for each in leaf.extensions if isinstance(each.value, x509.SubjectAlternativeName)]
    assert [list(names) for names in alternatives] == (
        [[x509.DNSName(name) for name in dns_names]] if dns_names else []
    )


def _assert_renewed(first: x509.Certificate, second: x509.Certificate) -> None:
    """Demand another certificate and another key for the same name, to the byte."""
    assert second.serial_number != first.serial_number
    assert second.public_key() != first.public_key()
    assert second.subject.public_bytes() == first.subject.public_bytes()


def _assert_judged(agency: Agency, cn: str, leaves: Sequence[x509.Certificate], folder: Path) -> None:
    """Demand that relying systems take every certificate of the CN, side by side, until the CN is revoked."""
    root = agency.root_certificate()
    assert [judge(leaf, root, folder) for leaf in leaves] == [GOOD] * len(leaves)
    answered = agency.revoke(cn, reason="keyCompromise")
    assert answered["published"] is True
    assert 0 <= answered["seconds"] < 10
    assert [judge(leaf, root, folder) for leaf in leaves] == [REVOKED] * len(leaves)
