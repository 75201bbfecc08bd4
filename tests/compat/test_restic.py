"""restic: a repository of backups in a bucket, from init to prune."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from zakrom.testing.access import Access

from .kit import MIB, TREE, read_tree, run, sample, write_tree


def test_backups_are_made_checked_restored_and_pruned(
    program: Callable[[str], str], access: Access, bucket: str, home: Path, tmp_path: Path
) -> None:
    """Two snapshots can be restored byte for byte, every pack is readable, and prune keeps what is still named."""
    path = program("restic")
    keys = {"AWS_ACCESS_KEY_ID": access.access_key, "AWS_SECRET_ACCESS_KEY": access.secret_key}
    env = dict(os.environ) | keys | {
        "RESTIC_REPOSITORY": f"s3:{access.endpoint}/{bucket}/backups",
        "RESTIC_PASSWORD": "granary",
        "RESTIC_CACHE_DIR": str(home / "cache"),
    }  # fmt: skip

    def restic(*arguments: str | Path) -> str:
        return run([path, *arguments], env)

    there = write_tree(tmp_path / "there", TREE)
    restic("init")
    restic("backup", there)
    (there / "small.txt").write_bytes(b"another line\n")
    (there / "large.bin").write_bytes(sample(9 * MIB, 4))
    (there / "empty").unlink()
    restic("backup", there)
    restic("check", "--read-data")
    first, second = json.loads(restic("snapshots", "--json"))
    restic("restore", first["id"], "--target", tmp_path / "first")
    restic("forget", "--prune", "--keep-last", "1")
    restic("check", "--read-data")
    restic("restore", "latest", "--target", tmp_path / "second")
    left = json.loads(restic("snapshots", "--json"))

    assert read_tree(tmp_path / "first" / there.relative_to("/")) == TREE
    assert read_tree(tmp_path / "second" / there.relative_to("/")) == read_tree(there)
    assert [snapshot["id"] for snapshot in left] == [second["id"]]
    assert "locked" not in restic("unlock")
