"""The Merkle tree of RFC 6962 section 2.1, as an append-only frontier.

A leaf hashes as ``SHA-256(0x00 || data)``, a node as ``SHA-256(0x01 || left || right)``; an odd
node is promoted, never duplicated. The frontier (the roots of the perfect subtrees, largest first)
is all that appending needs: as many hashes as the size has one bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the empty tree (RFC 6962 section 2.1)."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of ``size`` leaves, by the roots of its perfect subtrees, largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> Frontier:
        """Return the tree with one more leaf (given as its leaf hash)."""
        hashes, size, node = list(self.hashes), self.size, leaf
        while size & 1:
            node = node_hash(hashes.pop(), node)
            size >>= 1
        return Frontier(self.size + 1, (*hashes, node))

    @property
    def root(self) -> bytes:
        """The Merkle tree hash."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def packed(self) -> bytes:
        """The hashes as one byte string, for storing."""
        return b"".join(self.hashes)

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Frontier:
        """Read what :meth:`packed` wrote. Raises ``ValueError`` when it does not fit the size."""
        if len(packed) != HASH_SIZE * size.bit_count():
            raise ValueError("the stored frontier does not fit its size")
        step = HASH_SIZE
        return cls(size, tuple(packed[i : i + step] for i in range(0, len(packed), step)))


def frontier_of(leaves: Iterable[bytes]) -> Frontier:
    """Return the tree of all leaf hashes, in order."""
    tree = Frontier()
    for leaf in leaves:
        tree = tree.append(leaf)
    return tree


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of leaf ``index`` (RFC 6962 section 2.1.1), nearest sibling first."""
    if not 0 <= index < len(leaves):
        raise ValueError("the leaf is not in the tree")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), frontier_of(leaves[split:]).root]
    return [*inclusion_proof(leaves[split:], index - split), frontier_of(leaves[:split]).root]


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that an inclusion proof leads to (RFC 9162 section 2.1.3.2).

    Raises ``ValueError`` when the proof has the wrong length for the tree.
    """
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    node, last, position = leaf, size - 1, index
    for sibling in path:
        if last == 0:
            raise ValueError("the proof is too long")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise ValueError("the proof is too short")
    return node


def _split(size: int) -> int:
    """Return the largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1
