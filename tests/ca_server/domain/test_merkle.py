"""Merkle trees hash and prove as RFC 9162 says, for every pair of sizes up to a few dozen leaves."""

import hashlib

import pytest

from ca_server.domain import merkle
from ca_server.domain.merkle import BadProof

MOST = 35
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(MOST)]


def as_defined(leaves: list[bytes]) -> bytes:
    """The definition of RFC 9162 §2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + as_defined(leaves[:split]) + as_defined(leaves[split:])).digest()


def subtree(height: int, place: int) -> bytes:
    return as_defined(LEAVES[place << height : (place + 1) << height])


def test_the_root_is_that_of_the_definition_for_every_size() -> None:
    for size in range(MOST + 1):
        assert merkle.root_of(LEAVES[:size]) == as_defined(LEAVES[:size])
        assert merkle.root(0, size, subtree) == as_defined(LEAVES[:size])


def test_the_known_tree_of_certificate_transparency_has_its_root() -> None:
    """The test vectors of the reference implementation of RFC 6962, which hashes as RFC 9162 does."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [merkle.leaf_hash(bytes.fromhex(each)) for each in inputs]
    assert merkle.root_of(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_peaks_that_were_kept_go_on_as_before() -> None:
    for size in range(MOST):
        peaks = merkle.Peaks()
        for leaf in LEAVES[:size]:
            peaks.append(leaf)
        again = merkle.Peaks(size, merkle.unpacked(peaks.packed()))
        again.append(LEAVES[size])
        assert again.root() == as_defined(LEAVES[: size + 1])


def test_peaks_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="does not consist"):
        merkle.Peaks(3, LEAVES[:1])


def test_every_leaf_is_proved_in_every_tree_and_no_other_leaf_is() -> None:
    for size in range(1, MOST + 1):
        head = as_defined(LEAVES[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, subtree)
            merkle.require_included(LEAVES[index], index, size, proof, head)
            for leaf, place in ((LEAVES[index - 1], index), (LEAVES[index], (index + 1) % size)):
                if size > 1:
                    with pytest.raises(BadProof):
                        merkle.require_included(leaf, place, size, proof, head)


def test_every_tree_begins_with_every_smaller_one_and_with_no_other() -> None:
    for size in range(1, MOST + 1):
        head = as_defined(LEAVES[:size])
        for before in range(1, size + 1):
            proof = merkle.consistency_proof(before, size, subtree)
            old = as_defined(LEAVES[:before])
            merkle.require_consistent(before, old, size, head, proof)
            forked = as_defined([*LEAVES[: before - 1], merkle.leaf_hash(b"another")])
            with pytest.raises(BadProof):
                merkle.require_consistent(before, forked, size, head, proof)
            with pytest.raises(BadProof):
                merkle.require_consistent(before, old, size, forked, proof)


@pytest.mark.parametrize("change", ["shorter", "longer", "other"])
def test_a_proof_that_was_changed_proves_nothing(change: str) -> None:
    changed = {
        "shorter": lambda proof: proof[:-1],
        "longer": lambda proof: [*proof, LEAVES[0]],
        "other": lambda proof: [merkle.leaf_hash(b"another"), *proof[1:]],
    }[change]
    for size in range(2, MOST + 1):
        head = as_defined(LEAVES[:size])
        proof = changed(merkle.inclusion_proof(size // 3 + 1, size, subtree))
        with pytest.raises(BadProof):
            merkle.require_included(LEAVES[size // 3 + 1], size // 3 + 1, size, proof, head)
        if size > 2:
            proof = changed(merkle.consistency_proof(size - 1, size, subtree))
            with pytest.raises(BadProof):
                merkle.require_consistent(size - 1, as_defined(LEAVES[: size - 1]), size, head, proof)


def test_there_is_no_proof_of_a_leaf_beyond_the_end() -> None:
    with pytest.raises(ValueError, match="no leaf 3"):
        merkle.inclusion_proof(3, 3, subtree)
    with pytest.raises(BadProof):
        merkle.require_included(LEAVES[3], 3, 3, [], as_defined(LEAVES[:3]))


def test_no_tree_begins_with_a_larger_one() -> None:
    with pytest.raises(ValueError, match="does not begin"):
        merkle.consistency_proof(4, 3, subtree)
    with pytest.raises(BadProof):
        merkle.require_consistent(4, LEAVES[0], 3, LEAVES[0], [])
