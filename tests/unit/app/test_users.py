"""Files of users, changed by one at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewright.app.users import CHOSEN_ROUNDS, MADE_ROUNDS, Users
from gatewright.edges.files import LocalFiles
from gatewright.edges.randomness import SystemRandomness
from gatewright.errors import EnvironmentFault, UsageError

CHOSEN = "long enough a password"


@pytest.fixture
def users(tmp_path: Path) -> Users:
    return Users(LocalFiles(), SystemRandomness(), tmp_path)


def test_users_come_and_go(users: Users) -> None:
    """A missing file is made, an earlier password is replaced, who is removed is gone, and the others stay in their order."""
    made = users.add("secrets/users", "ann", None)
    assert len(made) >= 24
    assert users.add("secrets/users", "bob", CHOSEN) == CHOSEN
    users.add("secrets/users", "ann", CHOSEN)
    assert users.names("secrets/users") == ("ann", "bob")
    users.remove("secrets/users", "ann")
    assert users.names("secrets/users") == ("bob",)


@pytest.mark.parametrize(("password", "rounds"), [(None, MADE_ROUNDS), (CHOSEN, CHOSEN_ROUNDS)])
def test_a_chosen_password_is_slow_to_guess(users: Users, tmp_path: Path, password: str | None, rounds: int) -> None:
    """The cost stands in the hash, and the file is for its owner and group."""
    users.add("users", "ann", password)
    assert f"ann:$2y${rounds:02}$" in (tmp_path / "users").read_text()
    assert (tmp_path / "users").stat().st_mode & 0o777 == 0o640


def test_two_changes_at_once_lose_nothing(users: Users, tmp_path: Path) -> None:
    """The second is refused while the first is under way, whichever of the two it is; reading is not."""
    users.add("users", "ann", CHOSEN)
    with LocalFiles().lock(tmp_path / "run" / "users.lock") as ours:
        assert ours
        for change in (lambda: users.add("users", "bob", CHOSEN), lambda: users.remove("users", "ann")):
            with pytest.raises(EnvironmentFault) as caught:
                change()
            assert caught.value.diagnostics[0].code == "users-under-change"
        assert users.names("users") == ("ann",)
    users.add("users", "bob", CHOSEN)
    assert users.names("users") == ("ann", "bob")


@pytest.mark.parametrize("file", ["../users", "/etc/passwd", "absent"])
def test_what_is_no_file_of_users_is_refused(users: Users, file: str) -> None:
    """A path that leads elsewhere, and one where nothing is; neither is made by removing from it."""
    with pytest.raises(UsageError):
        users.remove(file, "ann")
    with pytest.raises(UsageError):
        users.names(file)
