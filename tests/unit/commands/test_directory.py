import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from services.commands import directory


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OWNER_CLIENT_ID", "OWNER_CLIENT_SECRET", "TOKEN_SECRET"):
        monkeypatch.delenv(f"KONTOR_{name}", raising=False)


class TestOwner:
    def test_is_made_once_and_kept(self, tmp_path: Path) -> None:
        made = directory.owner(tmp_path / "new")

        kept = directory.owner(tmp_path / "new")

        assert kept == made
        assert len(made.token_secret.encode()) >= 32
        assert made.client_secret != directory.owner(tmp_path / "other").client_secret

    def test_is_for_its_owners_eyes_only(self, tmp_path: Path) -> None:
        directory.owner(tmp_path)

        mode = (tmp_path / "owner.json").stat().st_mode

        assert stat.S_IMODE(mode) == 0o600

    def test_is_kept_with_a_new_secret_and_nobody_else_is(self, tmp_path: Path) -> None:
        made = directory.owner(tmp_path)

        directory.renew(tmp_path, "erp-sync", "not the owner's")
        directory.renew(tmp_path / "elsewhere", made.client_id, "nobody's")
        other = directory.owner(tmp_path)
        directory.renew(tmp_path, made.client_id, "the new one")

        assert other == made
        assert directory.owner(tmp_path) == replace(made, client_secret="the new one")
        assert not (tmp_path / "elsewhere").exists()

    def test_gives_way_to_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = directory.owner(tmp_path)
        monkeypatch.setenv("KONTOR_OWNER_CLIENT_ID", "somebody")

        owner = directory.owner(tmp_path)

        assert owner.client_id == "somebody"
        assert owner.token_secret == made.token_secret

    @pytest.mark.parametrize("content", ["{", "[]", '{"clientId": "owner"}'])
    def test_that_was_tampered_with_says_what_to_do(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "owner.json").write_text(content)

        with pytest.raises(SystemExit, match=r"owner\.json is not what was .* Delete it"):
            directory.owner(tmp_path)


class TestStack:
    def test_that_does_not_run_says_how_to_start_it(self, tmp_path: Path) -> None:
        with pytest.raises(SystemExit, match=f"kontor up --data {tmp_path}"):
            directory.stack(tmp_path)


class TestWrite:
    def test_replaces_the_file_as_a_whole(self, tmp_path: Path) -> None:
        file = tmp_path / "stack.json"
        directory.write(file, {"old": True})
        before = file.open()

        directory.write(file, {"new": True})

        assert json.load(before) == {"old": True}
        assert json.loads(file.read_text()) == {"new": True}
        assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]
        before.close()
