"""Who may do what: what no role grants is denied."""

import pytest

import access
from access import Right, Role, Viewer
from settings import Server, Settings


def viewer(*roles: Role) -> Viewer:
    return Viewer(name="somebody", roles=frozenset(roles), how="test")


def test_without_sign_in_one_may_look_and_nothing_else():
    local = access.identify(Settings())
    assert local.how == "loopback"
    assert [right for right in Right if access.may(local, right)] == [Right.LOOK]


def test_without_sign_in_the_settings_may_say_that_everybody_is_an_operator():
    local = access.identify(Settings(server=Server(local_roles=("operator",))))
    assert access.may(local, Right.IDENTIFIERS)
    assert not access.may(local, Right.ADMINISTER)


@pytest.mark.parametrize("right", Right)
def test_somebody_without_a_role_may_do_nothing(right):
    assert not access.may(viewer(), right)


@pytest.mark.parametrize(
    ("role", "granted"),
    [
        (Role.VIEWER, {Right.LOOK}),
        (Role.OPERATOR, {Right.LOOK, Right.SAVE, Right.IDENTIFIERS, Right.RUN_READ, Right.RUN_CHANGE, Right.APPROVE}),
        (Role.ADMIN, set(Right)),
    ],
)
def test_a_role_has_exactly_its_rights(role, granted):
    assert access.rights(viewer(role)) == granted


def test_a_role_and_a_right_that_nobody_knows_are_denied():
    assert not access.may(viewer("superuser"), Right.LOOK)  # type: ignore[arg-type]
    assert not access.may(viewer(Role.ADMIN), "everything")  # type: ignore[arg-type]


def test_answers_are_shared_between_equals_only():
    assert access.visibility(viewer(Role.VIEWER)) == access.visibility(viewer(Role.VIEWER))
    assert access.visibility(viewer(Role.OPERATOR, Role.VIEWER)) == access.visibility(viewer(Role.OPERATOR))
    assert (
        len({access.visibility(viewer(*roles)) for roles in [(), (Role.VIEWER,), (Role.OPERATOR,), (Role.ADMIN,)]}) == 4
    )


@pytest.mark.parametrize(
    ("roles", "author", "deletable"),
    [
        ((Role.VIEWER,), "somebody", False),
        ((), "somebody", False),
        ((Role.OPERATOR,), "somebody", True),
        ((Role.OPERATOR,), "another", True),
    ],
)
def test_what_was_saved_is_deleted_by_who_may_change_things_and_never_by_who_may_only_look(roles, author, deletable):
    assert access.may_delete(viewer(*roles), author) == deletable
