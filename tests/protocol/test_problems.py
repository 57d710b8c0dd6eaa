"""Problem documents leave by one table and come back as they left."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.problems import TABLE, Problem, ProblemType, Subproblem


@pytest.mark.parametrize("kind", ProblemType)
def test_every_type_has_a_status_and_a_sentence(kind: ProblemType) -> None:
    status, detail = TABLE[kind]

    assert 400 <= status < 600
    assert detail.endswith(".")


@pytest.mark.parametrize("kind", [each for each in ProblemType if each is not ProblemType.BLANK])
def test_every_type_is_a_registered_urn(kind: ProblemType) -> None:
    assert kind.value == f"urn:ietf:params:acme:error:{kind.word}"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (ProblemType.MALFORMED, 400),
        (ProblemType.ORDER_NOT_READY, 403),
        (ProblemType.UNAUTHORIZED, 403),
        (ProblemType.ALREADY_REPLACED, 409),
        (ProblemType.RATE_LIMITED, 429),
        (ProblemType.SERVER_INTERNAL, 500),
    ],
)
def test_the_status_is_the_one_that_the_rfc_wants(kind: ProblemType, status: int) -> None:
    assert Problem(kind).status == status


def test_a_status_and_a_sentence_can_be_given() -> None:
    problem = Problem(ProblemType.UNAUTHORIZED, "The account is deactivated.", status=401)

    assert problem.render() == {
        "type": "urn:ietf:params:acme:error:unauthorized",
        "detail": "The account is deactivated.",
        "status": 401,
    }


def test_a_problem_comes_back_as_it_left() -> None:
    sent = Problem(
        ProblemType.COMPOUND,
        "Two names.",
        extra={"reason": "locked"},
        subproblems=[
            Subproblem(ProblemType.REJECTED_IDENTIFIER, "not yours", {"type": "dns", "value": "x"}),
            Subproblem(ProblemType.MALFORMED, "what is it"),
        ],
    )

    received = Problem.parse(sent.render(), sent.status)

    assert received.render() == sent.render()


def test_members_of_our_own_stand_beside_those_of_the_rfc_without_replacing_them() -> None:
    document = Problem(ProblemType.UNAUTHORIZED, extra={"reason": "used", "type": "x", "status": 1}).render()

    assert (document["type"], document["status"], document["reason"]) == (ProblemType.UNAUTHORIZED.value, 403, "used")


@pytest.mark.parametrize("document", [None, [], "Bad Gateway", {}, {"type": 7, "detail": 7}, {"type": "urn:x:other"}])
def test_what_is_no_problem_document_is_one_of_type_about_blank(document: object) -> None:
    problem = Problem.parse(document, 502)

    assert problem.type is ProblemType.BLANK
    assert problem.status == 502


def test_the_sentence_of_an_unknown_type_is_kept() -> None:
    assert Problem.parse({"type": "urn:x:other", "detail": "Out of paper."}, 400).detail == "Out of paper."


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["type", "detail", "status", "subproblems", "other"]),
        st.recursive(
            st.none() | st.integers() | st.sampled_from([each.value for each in ProblemType]),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "detail", "identifier"]), inner),
        ),
    )
)
def test_no_document_of_a_server_makes_parsing_fail(document: dict[str, object]) -> None:
    assert Problem.parse(document, 500).status == 500
