"""The Merkle tree of RFC 6962 section 2.1: an append-only frontier, proofs and their verifiers.

A leaf hashes as ``SHA-256(0x00 || data)``, a node as ``SHA-256(0x01 || left || right)``; an odd
node is promoted, never duplicated. The frontier (the roots of the perfect subtrees, largest first)
is all that appending needs: as many hashes as the size has one bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

HASH_SIZE = 32
LEVEL_STEP = 8
"""Every eighth level of the tree is stored, so that a proof reads little: one node for 256 leaves,
one for 65536, ..."""
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the empty tree (RFC 6962 section 2.1)."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


RangeRoot = Callable[[int, int], bytes]
"""Returns the tree hash of the leaves ``start .. end - 1``."""


@dataclass(frozen=True, slots=True)
class Node:
    """The root of a perfect subtree: leaves ``position * 2**level`` to the next multiple."""

    level: int
    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of ``size`` leaves, by the roots of its perfect subtrees, largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf: bytes, completed: list[Node] | None = None) -> Frontier:
        """Return the tree with one more leaf (given as its leaf hash). Nodes that are to be
        stored and are complete now are added to ``completed``."""
        hashes, size, node, level = list(self.hashes), self.size, leaf, 0
        while size & 1:
            node = node_hash(hashes.pop(), node)
            size >>= 1
            level += 1
            if completed is not None and level % LEVEL_STEP == 0:
                completed.append(Node(level, size, node))
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


def range_root_of(leaves: Sequence[bytes]) -> RangeRoot:
    """Return the tree hashes of ranges of leaf hashes that are at hand."""
    return lambda start, end: frontier_of(leaves[start:end]).root


def inclusion_proof(root_of: RangeRoot, index: int, size: int) -> list[bytes]:
    """Return the audit path of leaf ``index`` in the tree of the first ``size`` leaves (RFC 6962
    section 2.1.1), nearest sibling first. Raises ``ValueError`` outside the tree."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    path, start, end = [], 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            path.append(root_of(split, end))
            end = split
        else:
            path.append(root_of(start, split))
            start = split
    return path[::-1]


def consistency_proof(root_of: RangeRoot, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of ``new`` leaves continues that of ``old`` leaves (RFC 9162
    section 2.1.4.1). Raises ``ValueError`` unless ``0 < old <= new``."""
    if not 0 < old <= new:
        raise ValueError("a tree can only be consistent with a smaller one that is not empty")
    path, start, end, whole = [], 0, new, True
    while old != end:
        split = start + _split(end - start)
        if old <= split:
            path.append(root_of(split, end))
            end = split
        else:
            path.append(root_of(start, split))
            start, whole = split, False
    if not whole:
        path.append(root_of(start, end))
    return path[::-1]


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


def is_consistent(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Verify a consistency proof (RFC 9162 section 2.1.4.2)."""
    if old == new:
        return not path and old_root == new_root
    if not 0 < old < new or not path:
        return False
    nodes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(node, first), node_hash(node, second)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            second = node_hash(second, node)
        position >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root


def _split(size: int) -> int:
    """Return the largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1
