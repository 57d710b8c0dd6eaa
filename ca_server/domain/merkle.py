"""Merkle trees as RFC 9162 §2.1 hashes them: roots, inclusion and consistency proofs, and their verification.

A proof is made from a few complete subtrees; `Subtree` is whoever knows their roots, by height and place: the subtree
of height h at place i is over the leaves from i·2^h on. `Peaks` are the complete subtrees that a growing tree consists
of, enough to append and to tell the root (a "compact range").
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ca_server.language import sentence

Subtree = Callable[[int, int], bytes]
"""Returns the root of a complete subtree, by height and place."""

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
HASH_LENGTH: Final = 32


class BadProof(ValueError):
    """A proof does not lead where it says."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf (§2.1.1), which no inner node can have."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over two."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Peaks:
    """The complete subtrees of a tree that grows, the largest first."""

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self._hashes = list(hashes)
        if len(self._hashes) != size.bit_count():
            raise ValueError(f"A tree of {size} leaves does not consist of {len(self._hashes)} subtrees.")

    def append(self, leaf: bytes) -> None:
        """Add the hash of a leaf: it merges with as many subtrees as the size ends in ones."""
        hashes, size = self._hashes, self.size
        while size & 1:
            leaf = hashlib.sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the whole."""
        return folded(self._hashes)

    def packed(self) -> bytes:
        """Return the hashes one after the other, to be kept."""
        return b"".join(self._hashes)


def unpacked(hashes: bytes) -> list[bytes]:
    """Return hashes that were written one after the other."""
    return [hashes[start : start + HASH_LENGTH] for start in range(0, len(hashes), HASH_LENGTH)]


def folded(peaks: Sequence[bytes]) -> bytes:
    """Return the root over subtrees that stand side by side, the largest first."""
    if not peaks:
        return EMPTY_ROOT
    whole = peaks[-1]
    for left in reversed(peaks[:-1]):
        whole = node_hash(left, whole)
    return whole


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over hashes of leaves."""
    peaks = Peaks()
    for leaf in leaves:
        peaks.append(leaf)
    return peaks.root()


def root(start: int, end: int, subtree: Subtree) -> bytes:
    """Return the root over the leaves from `start` to before `end`; `start` is where a subtree of that size may."""
    peaks, place = [], start
    while place < end:
        height = (end - place).bit_length() - 1
        peaks.append(subtree(height, place >> height))
        place += 1 << height
    return folded(peaks)


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that leaf `index` is in the tree of `size` leaves (§2.1.3.1), the lowest node first."""
    if not 0 <= index < size:
        raise ValueError(f"There is no leaf {index} in a tree of {size}.")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root(middle, end, subtree))
            end = middle
        else:
            path.append(root(start, middle, subtree))
            start = middle
    return path[::-1]


def consistency_proof(before: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that the tree of `size` leaves begins with the one of `before` (§2.1.4.1)."""
    if not 0 < before <= size:
        raise ValueError(f"A tree of {size} leaves does not begin with one of {before}.")
    if before == size:
        return []
    start, end, path, whole = 0, size, [], True
    while before < end:
        middle = start + _split(end - start)
        if before <= middle:
            path.append(root(middle, end, subtree))
            end = middle
        else:
            path.append(root(start, middle, subtree))
            start, whole = middle, False
    if not whole:
        path.append(root(start, end, subtree))
    return path[::-1]


def require_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], head: bytes) -> None:
    """Do nothing if the proof leads from the hash of leaf `index` to the root `head` (§2.1.3.2). Raises BadProof."""
    if not 0 <= index < size:
        raise BadProof(sentence("There is no leaf {index} in a tree of {size}.", index=index, size=size))
    place, last, found = index, size - 1, leaf
    for node in proof:
        if last == 0:
            raise BadProof(sentence("The proof is too long."))
        if place & 1 or place == last:
            found = node_hash(node, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, node)
        place, last = place >> 1, last >> 1
    if last != 0 or found != head:
        raise BadProof(sentence("The proof does not lead to the root."))


def require_consistent(before: int, old: bytes, size: int, head: bytes, proof: Sequence[bytes]) -> None:
    """Do nothing if the tree with root `head` begins with the one with root `old` (§2.1.4.2). Raises BadProof."""
    if not 0 < before <= size:
        raise BadProof(
            sentence("A tree of {size} leaves does not begin with one of {before}.", size=size, before=before)
        )
    if before == size:
        if proof or old != head:
            raise BadProof(sentence("Trees of one size have two roots."))
        return
    nodes = list(proof)
    if before & (before - 1) == 0:
        nodes.insert(0, old)
    if not nodes:
        raise BadProof(sentence("The proof is empty."))
    place, last = before - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise BadProof(sentence("The proof is too long."))
        if place & 1 or place == last:
            first, second = node_hash(node, first), node_hash(node, second)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, node)
        place, last = place >> 1, last >> 1
    if last != 0 or first != old or second != head:
        raise BadProof(sentence("The proof does not lead to both roots."))


def _split(count: int) -> int:
    """Return the largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)
