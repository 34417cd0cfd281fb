"""The tree of RFC 6962: published vectors, every small tree, and a second way to compute it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrail.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    consistency_proof,
    frontier_of,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    node_hash,
    range_root_of,
    root_from_inclusion,
)

# The reference inputs of Certificate Transparency, and the roots of its trees of size 1 to 8.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(by_definition(leaves[:k]), by_definition(leaves[k:]))


def test_the_empty_tree() -> None:
    assert Frontier().root == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    assert frontier_of(map(leaf_hash, INPUTS[:size])).root.hex() == ROOTS[size - 1]


def test_every_small_tree_and_every_proof_in_it() -> None:
    data = [bytes([n]) * 3 for n in range(70)]
    for size in range(1, 71):
        leaves = [leaf_hash(item) for item in data[:size]]
        root = by_definition(data[:size])
        assert frontier_of(leaves).root == root
        for index in range(size):
            path = inclusion_proof(range_root_of(leaves), index, size)
            assert root_from_inclusion(leaves[index], index, size, path) == root


def test_no_proof_proves_anything_else() -> None:
    for size in range(2, 24):
        leaves = [leaf_hash(bytes([n])) for n in range(size)]
        root = frontier_of(leaves).root
        for index in range(size):
            path = inclusion_proof(range_root_of(leaves), index, size)
            for other in range(size):
                if other != index:
                    assert leads_to(leaves[other], index, size, path) != root
                    assert leads_to(leaves[index], other, size, path) != root
            for broken in (path[:-1], [*path, path[-1]], path[::-1] if len(path) > 1 else []):
                assert leads_to(leaves[index], index, size, broken) != root


def test_every_small_tree_continues_every_smaller_one() -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(70)]
    roots = [frontier_of(leaves[:size]).root for size in range(71)]
    for new in range(1, 71):
        for old in range(1, new + 1):
            path = consistency_proof(range_root_of(leaves), old, new)
            assert is_consistent(old, new, roots[old], roots[new], path)


def test_no_consistency_is_shown_where_there_is_none() -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(24)]
    roots = [frontier_of(leaves[:size]).root for size in range(25)]
    other = frontier_of(leaf_hash(b"x") for _ in range(5)).root
    for new in range(2, 24):
        for old in range(1, new):
            path = consistency_proof(range_root_of(leaves), old, new)
            for wrong_old, wrong_new in ((other, roots[new]), (roots[old], other)):
                assert not is_consistent(old, new, wrong_old, wrong_new, path)
            for size in range(1, 25):
                if size != old:
                    assert not is_consistent(size, new, roots[size], roots[new], path) or (
                        size == new and path == []
                    )
            for broken in (path[:-1], [*path, other], [other, *path[1:]]):
                assert not is_consistent(old, new, roots[old], roots[new], broken)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3), (0, 0)])
def test_consistency_needs_two_trees(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="smaller one"):
        consistency_proof(range_root_of([]), old, new)
    assert not is_consistent(old, new, b"", b"", [b""])


@pytest.mark.parametrize("size", [255, 256, 257, 512, 1000])
def test_completed_nodes_are_the_roots_of_whole_blocks(size: int) -> None:
    leaves = [leaf_hash(n.to_bytes(4)) for n in range(size)]
    tree, completed = Frontier(), list[Node]()
    for leaf in leaves:
        tree = tree.append(leaf, completed)
    assert completed == [
        Node(8, n, frontier_of(leaves[n * 256 : (n + 1) * 256]).root) for n in range(size // 256)
    ]


def leads_to(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root a proof leads to; None when it has the wrong shape."""
    try:
        return root_from_inclusion(leaf, index, size, path)
    except ValueError:
        return None


def test_an_odd_node_is_promoted_and_not_duplicated() -> None:
    a, b, c = (leaf_hash(text) for text in (b"a", b"b", b"c"))
    assert frontier_of([a, b, c]).root == node_hash(node_hash(a, b), c)
    assert frontier_of([a, b, c]).root != frontier_of([a, b, c, c]).root


def test_a_node_is_not_a_leaf() -> None:
    a, b = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(a + b) != node_hash(a, b)


@given(st.lists(st.binary(max_size=8), max_size=200))
def test_appending_equals_the_definition(data: list[bytes]) -> None:
    assert frontier_of(map(leaf_hash, data)).root == by_definition(data)


@given(st.lists(st.binary(max_size=4), max_size=100), st.binary())
def test_a_stored_frontier_goes_on_where_it_was(data: list[bytes], more: bytes) -> None:
    tree = frontier_of(map(leaf_hash, data))
    again = Frontier.unpack(tree.size, tree.packed())
    assert again == tree
    assert again.append(leaf_hash(more)).root == by_definition([*data, more])


@given(st.integers(0, 300), st.binary(max_size=320))
def test_a_frontier_that_does_not_fit_is_refused(size: int, packed: bytes) -> None:
    if len(packed) != 32 * size.bit_count():
        with pytest.raises(ValueError, match="does not fit"):
            Frontier.unpack(size, packed)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_positions_outside_the_tree_are_refused(index: int, size: int) -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(size)]
    with pytest.raises(ValueError, match="not in the tree"):
        inclusion_proof(range_root_of(leaves), index, size)
    with pytest.raises(ValueError, match="not in the tree"):
        root_from_inclusion(b"", index, size, [])
