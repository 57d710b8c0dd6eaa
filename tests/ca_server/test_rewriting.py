"""A roll-over is written into the operator's file: nothing else of it changes, and where that is in doubt, nothing."""

import tomllib
from pathlib import Path

import pytest

from ca_server.config import load
from ca_server.config.rewriting import KEYS, with_next, with_next_in_use
from ca_server.errors import NotAllowed

EXAMPLE = (Path(__file__).parents[2] / "conf" / "warifu.toml").read_text("utf-8")


def table(name: str) -> dict[str, str]:
    return dict.fromkeys(KEYS, f"folder/{name}") | {"issuer": name}


def rolled_over(text: str, name: str) -> str:
    return with_next_in_use(with_next(text, table(name)))


def in_use(document: dict[str, dict[str, str]]) -> dict[str, str]:
    return {key: document["authority"][key] for key in KEYS}


def test_the_next_issuing_ca_is_added_and_every_line_stays() -> None:
    written = with_next(EXAMPLE, table("issuing-2"))
    assert written.startswith(EXAMPLE.rstrip())
    assert tomllib.loads(written) == tomllib.loads(EXAMPLE) | {"next": table("issuing-2")}


def test_the_next_takes_over_and_the_one_in_use_becomes_a_former_one(tmp_path: Path) -> None:
    path = tmp_path / "warifu.toml"
    path.write_text(rolled_over(EXAMPLE, "issuing-2"), "utf-8")
    config = load(path)
    assert [each.issuer for each in config.authorities] == ["issuing-2", "issuing-1"]
    assert config.next is None
    assert config.authority.organization == "Example Agency"
    assert config.former[0].issuing_key == tmp_path / "authority/issuing-1.key.pem"


def test_only_the_seven_lines_of_the_authority_change_and_their_comments_stay() -> None:
    before, after = EXAMPLE.splitlines(), rolled_over(EXAMPLE, "issuing-2").splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=False) if old != new]
    assert [old.split()[0] for old, _ in changed] == list(KEYS)
    assert all(new.partition("#")[2] == old.partition("#")[2] for old, new in changed)


def test_each_roll_over_leaves_one_former_more() -> None:
    document = tomllib.loads(rolled_over(rolled_over(EXAMPLE, "issuing-2"), "issuing-3"))
    assert [each["issuer"] for each in document["former"]] == ["issuing-1", "issuing-2"]
    assert in_use(document) == table("issuing-3")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[authority] ", "  [authority]"),
        ("[authority]", "[authority]  # in use"),
        ('issuer = "issuing-1"', "issuer='issuing-1'"),
        ('ocsp_key = "authority/ocsp.key.pem"\n', 'ocsp_key = "authority/ocsp.key.pem"\r\n'),
    ],
)
def test_a_file_may_be_laid_out_otherwise(before: str, after: str) -> None:
    text = EXAMPLE.replace(before, after)
    assert in_use(tomllib.loads(rolled_over(text, "issuing-2"))) == table("issuing-2")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('issuer = "issuing-1"', 'issuer = """issuing-1"""'),
        ('issuer = "issuing-1"', '"issuer" = "issuing-1"'),
        ('organization = "Example Agency"', 'organization = """\nissuer = "x"\n"""'),
    ],
)
def test_where_lines_are_in_doubt_the_change_is_left_to_a_person(before: str, after: str) -> None:
    text = EXAMPLE.replace(before, after)
    with pytest.raises(NotAllowed, match="issuing-2"):
        rolled_over(text, "issuing-2")
