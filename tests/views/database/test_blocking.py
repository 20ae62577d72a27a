"""Who waits for whom: one tree for each session that keeps others waiting."""

from hypothesis import given
from hypothesis import strategies as st

from views.database.rules.blocking import PREPARED, blocking


def drawn(nodes):
    return [(node.depth, node.pid, node.behind) for node in nodes]


def test_nobody_waits_and_there_is_no_tree():
    assert blocking({}) == []
    assert blocking({1: []}) == []


def test_a_chain_of_three_levels_has_its_root_and_counts_who_waits_behind_each():
    assert drawn(blocking({2: [1], 3: [2], 4: [2]})) == [(0, 1, 3), (1, 2, 2), (2, 3, 0), (2, 4, 0)]


def test_the_root_with_the_most_behind_it_is_first_and_the_longest_wait_first_below_it():
    nodes = blocking({2: [1], 4: [3], 5: [3], 6: [3]}, {4: 1.0, 5: 9.0, 6: None})
    assert drawn(nodes) == [(0, 3, 3), (1, 5, 0), (1, 4, 0), (1, 6, 0), (0, 1, 1), (1, 2, 0)]
    assert [node.waited for node in nodes] == [None, 9.0, 1.0, None, None, None]


def test_a_session_with_several_blockers_stands_once_and_names_them_all():
    nodes = {node.pid: node for node in blocking({3: [1, 2, 2], 4: [3]})}
    assert nodes[3].parent == 1
    assert nodes[3].blockers == (1, 2)
    assert (nodes[1].elsewhere, nodes[2].elsewhere) == ((), (3,))
    assert [nodes[pid].behind for pid in (1, 2, 3, 4)] == [2, 2, 1, 0]


def test_behind_a_queue_all_stand_below_the_one_that_is_nearest_to_the_root():
    # An ALTER TABLE waits for a reader that is idle in transaction; a second one and all new readers wait in the queue.
    queue = {20: [10], 21: [10, 20], 30: [20, 21], 31: [20, 21], 32: [20, 21]}
    assert drawn(blocking(queue)) == [(0, 10, 5), (1, 20, 4), (2, 30, 0), (2, 31, 0), (2, 32, 0), (1, 21, 3)]


def test_a_deadlock_is_a_tree_whose_members_wait_in_a_circle():
    nodes = blocking({1: [2], 2: [1], 3: [2]}, {1: 1.0, 2: 3.0, 3: 0.5})
    assert drawn(nodes) == [(0, 2, 2), (1, 1, 2), (1, 3, 0)]
    assert [(node.pid, node.cycle) for node in nodes] == [(2, True), (1, True), (3, False)]
    assert nodes[0].waited == 3.0


def test_a_circle_that_waits_for_a_session_outside_stands_below_that_one():
    nodes = blocking({1: [2], 2: [1, 9]})
    assert drawn(nodes) == [(0, 9, 2), (1, 2, 1), (2, 1, 1)]
    assert [node.cycle for node in nodes] == [False, True, True]


def test_a_prepared_transaction_is_a_root_of_its_own():
    nodes = blocking({5: [PREPARED], 6: [5, PREPARED]})
    assert drawn(nodes) == [(0, PREPARED, 2), (1, 5, 1), (1, 6, 0)]


def test_a_chain_longer_than_the_stack_and_a_queue_of_a_thousand_are_drawn():
    chain = {pid: [pid - 1] for pid in range(2, 5001)}
    assert [node.behind for node in blocking(chain)][:2] == [4999, 4998]
    queue = {pid: range(1, pid) for pid in range(2, 1001)}
    nodes = blocking(queue)
    assert [node.depth for node in nodes] == [0, *[1] * 999]
    assert nodes[0].behind == 999


_PIDS = st.integers(min_value=0, max_value=9)


@given(st.dictionaries(_PIDS, st.lists(_PIDS, max_size=4), max_size=10))
def test_everybody_stands_exactly_once_below_one_of_its_blockers_and_the_order_is_that_of_a_tree(blocked_by):
    nodes = blocking(blocked_by)
    edges = {(blocker, pid) for pid, blockers in blocked_by.items() for blocker in blockers}
    assert sorted(node.pid for node in nodes) == sorted({pid for edge in edges for pid in edge})
    path = []
    for node in nodes:
        del path[node.depth :]
        assert node.depth == len(path)
        assert node.parent == (path[-1] if path else None)
        assert node.parent is None or (node.parent, node.pid) in edges
        assert node.parent is not None or not node.blockers or node.cycle
        reached = set()
        edge = {node.pid}
        while edge:
            edge = {pid for blocker, pid in edges if blocker in edge} - reached
            reached |= edge
        assert node.behind == len(reached - {node.pid})
        assert node.cycle == (node.pid in reached)
        path.append(node.pid)
