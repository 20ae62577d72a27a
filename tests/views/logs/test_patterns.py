"""Log patterns: what is a value, what is one pattern, and that no line costs more than it may."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import patterns as benchmark
from views.logs.rules.patterns import (
    CROWD,
    ERROR_MARK,
    MASKS,
    MOST_CHARACTERS,
    MOST_WORD,
    MOST_WORDS,
    WILDCARD,
    Miner,
    Pattern,
    fixed_phrases,
    masked,
    merge,
    text_of,
)

LINES = benchmark.lines(4000, seed=7)
ANY_TEXT = st.text(alphabet=st.characters(), max_size=300)
# Texts that look like values, and nearly so.
NEAR_VALUES = st.text(alphabet="0123456789abcdefxZµ_-+.,:/%@'\"= smh<>*TB~", max_size=120)


def templates(*texts: str, level: str = "INFO", component: str = "memory") -> list[str]:
    miner = Miner()
    for text in texts:
        miner.add(level, component, text)
    return sorted(pattern.template for pattern in miner.patterns)


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("request 0f8fad5b-d9cb-469f-a165-70867728950e ended", "request <uuid> ended"),
        ("peer 10.1.2.3:5432 and 2001:db8::1 answered", "peer <ip> and <ip> answered"),
        ("took 12.5ms, waited 3 s, 1h30m in all", "took <duration>, waited <duration>, <duration> in all"),
        ("read 12 MiB of 3GB (80.5 %)", "read <size> of <size> (<percent>)"),
        ("at 2026-11-24T10:00:00.123456Z and 10:00:01", "at <time> and <time>"),
        ("mail to ada.lovelace@example.org bounced", "mail to <email> bounced"),
        ("cannot open /var/lib/synaptic/a.json: denied", "cannot open <path>: denied"),
        ("fetch https://example.org/x?y=1 failed", "fetch <url> failed"),
        ('syntax error in tsquery: "a & b c"', "syntax error in tsquery: <text>"),
        ("relation 'memories 2024' can't be found", "relation <text> can't be found"),
        ("user u123 of shard-7 key=9a0b1c2d3e", "user <id> of <id> key=<hex>"),
        ("pointer 0xDEADBEEF code -17", "pointer <hex> code <number>"),
        ("GET /health answered 200", "GET /health answered <number>"),
        ("pool timed out", "pool timed out"),
        ("", ""),
    ],
)
def test_what_is_a_value_by_its_form_is_replaced_by_a_word_for_it(text, template):
    assert " ".join(masked(text)) == template


@given(ANY_TEXT | NEAR_VALUES)
def test_no_digit_is_left_in_a_template_and_nothing_of_a_text_is_invented(text):
    words = masked(text)
    assert len(words) <= MOST_WORDS
    names = {f"<{name}>" for name in MASKS}
    for word in words:
        assert not set(word) & set(string.digits)
        assert not any(character.isspace() for character in word)
        rest = word
        for name in names:
            rest = rest.replace(name, "")
        assert all(character in text for character in rest) or len(word) == MOST_WORD


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_two_numbers_of_any_size_are_one_value(one, other):
    assert masked(f"retry {one} of job") == masked(f"retry {other} of job")


@given(st.lists(st.tuples(st.sampled_from(["INFO", "ERROR"]), ANY_TEXT | NEAR_VALUES), max_size=60))
def test_any_lines_are_mined_and_each_is_of_the_pattern_that_it_was_given(lines):
    miner = Miner()
    given_to = [miner.add(level, "memory", text) for level, text in lines]
    for (level, text), pattern_id in zip(lines, given_to, strict=True):
        pattern = miner.get(pattern_id)
        assert pattern.level == level
        words = masked(text)
        assert len(words) == len(pattern.words)
        pairs = zip(pattern.words, words, strict=True)
        assert all(ours in (word, WILDCARD) or ours.endswith(f"={WILDCARD}") for ours, word in pairs)


def test_words_that_differ_become_one_template_and_the_names_of_keys_stay():
    assert templates(
        "user ada stored memory in tier=hot",
        "user bob stored memory in tier=cold",
        "user eve stored memory in tier=hot",
    ) == [f"user {WILDCARD} stored memory in tier={WILDCARD}"]


def test_lines_that_share_less_than_half_of_their_words_stay_apart():
    assert len(templates("cache miss for key", "cache flushed by operator")) == 2


def test_level_component_length_and_first_word_keep_lines_apart():
    miner = Miner()
    ids = {
        miner.add("INFO", "memory", "connection to peer lost"),
        miner.add("ERROR", "memory", "connection to peer lost"),
        miner.add("INFO", "cache", "connection to peer lost"),
        miner.add("INFO", "memory", "connection to peer lost again"),
        miner.add("INFO", "memory", "link to peer lost"),
    }
    assert len(ids) == 5
    assert miner.add("info", "memory", "connection to peer lost") in ids


def test_two_words_are_two_messages_until_there_is_a_crowd_of_them():
    assert templates("pool exhausted", "pool recovered") == ["pool exhausted", "pool recovered"]
    names = [
        "".join(letters) for letters in zip("abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba", strict=True)
    ]
    crowd = templates(*(f"connected {name}" for name in names))
    assert len(crowd) == CROWD
    assert f"connected {WILDCARD}" in crowd


def test_a_value_in_the_first_place_is_one_as_soon_as_there_is_a_crowd():
    dice = random.Random(3)
    names = ["".join(dice.choices(string.ascii_lowercase, k=6)) for _ in range(500)]
    found = templates(*(f"{name} signed in again" for name in names))
    assert f"{WILDCARD} signed in again" in found
    assert len(found) <= 4 * CROWD + 1


def test_an_identity_stays_while_the_template_becomes_more_general_and_across_a_restart():
    miner = Miner()
    first = miner.add("WARN", "query", "plan for alpha uses a sequential scan")
    assert miner.add("WARN", "query", "plan for beta uses a sequential scan") == first
    again = Miner(miner.patterns)
    assert again.add("WARN", "query", "plan for gamma uses a sequential scan") == first
    assert again.get(first).template == f"plan for {WILDCARD} uses a sequential scan"
    # Another process that sees the first line first calls it the same.
    assert Miner().add("WARN", "query", "plan for alpha uses a sequential scan") == first


@given(st.permutations(LINES[:200]))
def test_what_was_learned_and_kept_answers_the_same_lines_with_the_same_identity(lines):
    miner = Miner()
    for line in lines:
        miner.add(line.level, line.service, line.message)
    settled = [miner.add(line.level, line.service, line.message) for line in lines]
    again = Miner(miner.patterns)
    assert [again.add(line.level, line.service, line.message) for line in lines] == settled


def test_a_miner_holds_no_more_than_it_may_and_keeps_what_it_sees_again():
    miner = Miner(most=50)
    known = miner.add("INFO", "memory", "consolidation started on schedule")
    dice = random.Random(1)
    for _ in range(2000):
        words = ["".join(dice.choices(string.ascii_lowercase, k=8)) for _ in range(dice.randrange(3, 9))]
        miner.add("INFO", "memory", " ".join(words))
        assert miner.add("INFO", "memory", "consolidation started on schedule") == known
        assert len(miner) <= 50
    assert len(miner._groups) <= 50
    assert len(miner._first_words) <= 50


def test_a_line_of_32_kb_counts_no_further_than_the_bound():
    long = "x" * 32_768
    (word,) = masked(long)
    assert len(word) == MOST_WORD
    assert len(masked("a " * 16_384)) == MOST_WORDS
    assert masked("word " * 10 + long) == masked(("word " * 10 + long)[:MOST_CHARACTERS])


@pytest.mark.parametrize(
    "piece",
    ["a", "1", "a1", "-", ".", "/a", "a@", ":", "::", "0x", '"', "'", "a-", "1.", "1:", "a.b@", "http://", "~/"],
)
def test_the_expressions_do_not_blow_up_on_any_repetition(piece):
    # An expression that backtracks over all ways would not end within the life of this test.
    for tail in ("", "!", " ", "\N{BULLET}"):
        masked((piece * MOST_CHARACTERS)[: MOST_CHARACTERS - 1] + tail)


def test_an_error_beside_the_message_is_part_of_what_a_line_says_once():
    assert text_of("read failed", "no such id") == f"read failed {ERROR_MARK} no such id"
    assert text_of("read failed: no such id", "no such id") == "read failed: no such id"
    assert text_of("a → b", "") == "a -> b"


def test_the_phrases_of_a_pattern_are_its_runs_of_fixed_words_in_the_field_that_holds_them():
    text = text_of('search "x y" failed after 3 tries', "syntax error at 17")
    miner = Miner()
    pattern = miner.get(miner.add("ERROR", "query", text))
    assert fixed_phrases(pattern) == (
        ("error", "syntax error at"),
        ("message", "failed after"),
        ("message", "search"),
        ("message", "tries"),
    )
    assert fixed_phrases(Pattern("x", "", "", ("<uuid>", "key=<*>"))) == ()


def test_merging_is_the_same_from_both_sides_and_changes_nothing_twice():
    one, other = ("user=ada", "in", "alpha"), ("user=bob", "in", "beta")
    merged = merge(one, other)
    assert merged == merge(other, one) == merge(merged, one) == (f"user={WILDCARD}", "in", WILDCARD)


def test_lines_of_forty_places_in_a_program_are_told_apart_and_put_together():
    found = benchmark.ours(LINES)
    truth = [line.template for line in LINES]
    assert benchmark.purity(found, truth) >= 0.99
    assert benchmark.adjusted_rand_index(found, truth) >= 0.97
    assert len({line.service for line in benchmark.lines()}) == 14


def test_agreement_of_groupings_is_one_for_the_same_and_about_nothing_for_chance():
    truth = [number % 5 for number in range(500)]
    assert benchmark.adjusted_rand_index([f"g{label}" for label in truth], truth) == 1
    dice = random.Random(2)
    assert abs(benchmark.adjusted_rand_index([dice.randrange(5) for _ in truth], truth)) < 0.05
    assert benchmark.purity(list(range(500)), truth) == 1
    assert benchmark.purity([0] * 500, truth) == 0.2
