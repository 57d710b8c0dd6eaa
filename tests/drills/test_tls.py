"""testssl in small, and that ciphers which it dislikes are noticed."""

import shutil
from pathlib import Path

import pytest

from tests.drills import tls
from tests.drills.figures import missed

pytestmark = pytest.mark.skipif(
    shutil.which(tls.PROGRAM) is None, reason="testssl is missing: install the Debian package testssl.sh"
)


def test_the_service_offers_nothing_that_testssl_dislikes(tmp_path: Path) -> None:
    assert missed(tls.drill(tmp_path, checks=("--protocols", "--std"), nginx=False)) == []


def test_ciphers_that_testssl_dislikes_are_noticed(tmp_path: Path) -> None:
    figures = tls.drill(tmp_path, checks=("--std",), defect="old-ciphers", nginx=False)
    assert [figure.what for figure in missed(figures)] == ["tls: serve, not ok"]
