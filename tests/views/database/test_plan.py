"""Plans are read as trees whose shares add up, and advice names what PostgreSQL would take."""

import pytest

from views.database.rules.plan import NoPlan, costliest, indexes_of, read, tables_of
from views.database.rules.plan_hints import Relation, hints, index_for
from views.database.rules.sql_tags import bare, in_short, tables, tags


def node(kind, total, rows=1, children=(), **more):
    return {
        "Node Type": kind,
        "Total Cost": total,
        "Plan Rows": rows,
        "Plan Width": 50,
        "Plans": list(children),
        **more,
    }


def outer(child):
    return {**child, "Parent Relationship": "Outer"}


def inner(child):
    return {**child, "Parent Relationship": "Inner"}


def scan(total=1000.0, rows=5, name="memories", **more):
    return node("Seq Scan", total, rows, **{"Relation Name": name, "Schema": "public", "Alias": name, **more})


def table(name="memories", rows=100_000.0, parent="", indexes=()):
    return {name: Relation("public", name, rows, 10**8, parent, tuple(indexes))}


def test_shares_are_those_of_the_work_of_each_node_and_add_up_to_one():
    tree = read([{"Plan": node("Sort", 1100.0, 5, [outer(scan())], **{"Sort Key": ["importance DESC"]})}])
    assert sum(one.share for _, one in tree.walk()) == pytest.approx(1)
    assert tree.share == pytest.approx(100 / 1100)
    assert costliest(tree).table == "memories"
    assert tables_of(tree) == (("public", "memories"),)


def test_below_a_limit_the_costly_node_is_the_one_that_reads_and_not_the_limit():
    tree = read([{"Plan": node("Limit", 20.0, 10, [outer(scan(rows=5000))])}])
    assert [one.share for _, one in tree.walk()] == [0, 1]


def test_the_inner_side_of_a_nested_loop_counts_as_often_as_it_runs():
    probe = node("Index Scan", 0.5, 1, **{"Relation Name": "f", "Schema": "public", "Index Name": "f_pkey"})
    tree = read([{"Plan": node("Nested Loop", 51_000.0, 1, [outer(scan(1000.0, 100_000)), inner(probe)])}])
    shares = {one.kind: one.share for _, one in tree.walk()}
    assert shares["Index Scan"] == pytest.approx(50_000 / 51_000)
    assert indexes_of(tree) == ("f_pkey",)
    (hint,) = hints(tree, {}, None)
    assert (hint.key, hint.table) == ("plan-nested-loop", "f")


@pytest.mark.parametrize("answer", [None, [], [{}], [{"Plan": {}}], [{"Plan": {"Node Type": "X"}}], "text", [[1]]])
def test_what_is_no_plan_is_told_as_such(answer):
    with pytest.raises(NoPlan):
        read(answer)


@pytest.mark.parametrize(
    ("condition", "sort", "index"),
    [
        ("(user_id = $1)", "", "btree (user_id);"),
        ("((m.memory_type = $1) AND (m.deleted_at IS NULL))", "m.created_at DESC",
         "btree (memory_type, created_at DESC) WHERE deleted_at IS NULL;"),
        ("((user_id = $1) AND (created_at > (now() - ($2)::interval)))", "", "btree (user_id, created_at);"),
        ("(created_at > $1)", "", "btree (created_at);"),
        ("((operation)::text = $1)", "", "btree (operation);"),
        ("(id = ANY ($1))", "", "btree (id);"),
        ("(lower(content) = $1)", "", "btree (lower(content));"),
        ("(lower(content) ~~ (('%'::text || $1) || '%'::text))", "", "gin (lower(content) gin_trgm_ops);"),
        ("(content ~~* $1)", "", "gin (content gin_trgm_ops);"),
        ("(to_tsvector('english'::regconfig, content) @@ to_tsquery('english'::regconfig, $1))", "",
         "gin (to_tsvector('english'::regconfig, content));"),
        ("((note = 'a) AND (b'::text) AND (x = $1))", "", "btree (note, x);"),
    ],
)  # fmt: skip
def test_an_index_is_made_of_what_a_condition_compares(condition, sort, index):
    assert index_for("public", "memories", condition, sort).endswith(
        f"CREATE INDEX CONCURRENTLY ON memories USING {index}"
    )


@pytest.mark.parametrize("condition", ["((a = $1) OR (b = $2))", "(a <> $1)", "(random() < $1)", "", "((((", "NOT (a)"])
def test_a_condition_that_is_not_understood_gets_no_advice(condition):
    assert index_for("public", "memories", condition) == ""


def test_a_table_of_a_schema_and_a_partitioned_one_are_named_as_they_are():
    assert "ON app.memories USING" in index_for("app", "memories", "(a = $1)")
    text = index_for("public", "memories", "(a = $1)", partitioned=True)
    assert "ON <partition> USING btree (a);" in text
    assert "CREATE INDEX ON memories USING btree (a);" in text


def test_a_small_table_or_one_of_unknown_size_is_read_whole_without_a_word():
    tree = read([{"Plan": scan(Filter="(a = $1)")}])
    assert [one.key for one in hints(tree, table(), None)] == ["plan-sequential-scan"]
    assert hints(tree, table(rows=100), None) == []
    assert hints(tree, table(rows=None), None) == []
    assert hints(tree, {}, None) == []


def test_an_index_that_is_there_and_not_chosen_is_not_advised_again():
    tree = read([{"Plan": scan(Filter="(a = $1)")}])
    there = table(indexes=["CREATE INDEX m_a ON public.memories USING btree (a, b)"])
    (hint,) = hints(tree, there, None)
    assert hint.mend == ""
    assert "does not choose it" in hint.text
    partial = table(indexes=["CREATE INDEX m_a ON public.memories USING btree (a) WHERE (b IS NULL)"])
    assert hints(tree, partial, None)[0].mend


def test_a_sort_that_does_not_fit_into_its_memory_is_told():
    tree = read([{"Plan": node("Sort", 9000.0, 10**6, [outer(scan())], **{"Sort Key": ["a"]})}])
    assert [one.key for one in hints(tree, {}, 4 * 2**20)] == ["plan-sort-spills"]
    assert hints(tree, {}, 2**30) == []
    assert hints(tree, {}, None) == []


def test_tags_of_both_conventions_are_read_and_hostile_ones_are_just_text():
    assert tags("SELECT 1 /*a='1',traceparent='00-abc-def-01'*/") == {"a": "1", "traceparent": "00-abc-def-01"}
    assert tags("/*application:Shop,controller:users*/ SELECT 1") == {"application": "Shop", "controller": "users"}
    assert tags("SELECT 1 /*a='<script>%27x'*/") == {"a": "<script>'x"}
    for text in ("SELECT 1", "/* plain words */", "/*a='*/", "/**/", "-- a='b'", "/*" * 1000):
        assert tags(text) == {}


@pytest.mark.parametrize(
    ("text", "short", "named"),
    [
        ("SELECT id::text FROM memories WHERE a = $1", "SELECT … FROM memories WHERE a = $1", ["memories"]),
        ("INSERT INTO audit_logs (a) VALUES ($1)", "INSERT INTO audit_logs", ["audit_logs"]),
        ('UPDATE "Odd name" SET a = $1', 'UPDATE "Odd name"', ['"Odd name"']),
        ("DELETE FROM a.b USING c WHERE true", "DELETE FROM a.b, c WHERE true", ["a.b", "c"]),
        ("SELECT extract($1 FROM created_at) FROM x", "SELECT … FROM x", ["x"]),
        ("SELECT * FROM generate_series($1, $2)", "SELECT * FROM generate_series($1, $2)", []),
        ("BEGIN", "BEGIN", []),
        ("", "", []),
    ],
)
def test_a_statement_is_told_in_a_few_words(text, short, named):
    assert in_short(text) == short
    assert tables(text) == named


def test_comments_are_left_out_of_the_short_form():
    assert bare("SELECT 1 -- a\n/* b */ FROM x") == "SELECT 1 FROM x"
