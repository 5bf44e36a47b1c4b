# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with all that is in it, and what does not. Real mount points are in the scenario `reset`."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.host import trees
from ansible_collections.baremetal.bigdata.plugins.modules import tree_absent
from running import run_module


def run(*paths, check=False, keep=False) -> dict:
    """The module as Ansible runs it."""
    parameters = {"paths": [str(path) for path in paths], "keep": keep, "_ansible_check_mode": check}
    return run_module(tree_absent, parameters)


@pytest.fixture
def tree(tmp_path) -> Path:
    (tmp_path / "tree" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "er" / "file").write_text("x")
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "theirs").write_text("x")
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "real")
    return tmp_path / "tree"


def test_a_tree_goes_and_what_its_links_name_stays(tree):
    checked = run(tree, check=True)
    assert tree.exists()
    done = run(tree)
    assert not tree.exists()
    assert (tree.parent / "real" / "theirs").exists()
    assert checked["removed"] == done["removed"] == [str(tree)]
    assert checked["diff"] == done["diff"] == {"before": f"{tree} (2 entries)\n", "after": ""}
    assert not run(tree)["changed"]


def test_a_tree_that_is_kept_is_emptied(tree):
    assert run(tree, keep=True)["diff"]["before"] == f"all in {tree} (2 entries)\n"
    assert list(tree.iterdir()) == []
    assert not run(tree, keep=True)["changed"]


def test_a_pattern_matches_in_the_last_part_alone(tmp_path):
    for name in ("net-a", "net-b", "other"):
        (tmp_path / name).write_text("")
    (tmp_path / "[x]").mkdir()
    (tmp_path / "[x]" / "net-c").write_text("")
    assert len(run(tmp_path / "net-*", tmp_path / "[x]" / "net-?", tmp_path / "net-a")["removed"]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["[x]", "other"]


def test_a_link_goes_and_not_what_it_names(tree):
    assert run(tree / "link")["removed"] == [str(tree / "link")]
    assert (tree.parent / "real" / "theirs").exists()


@pytest.mark.parametrize("path", ["relative", "/", "//", "/srv/.."])
def test_a_path_that_cannot_be_meant_is_refused(path):
    assert "expected absolute paths below /" in run(path, check=True)["msg"]


def test_where_something_is_mounted_below_nothing_is_removed(tree):
    mounted = {"/", str(tree / "deep" / "er"), f"{tree}-beside"}
    with pytest.raises(
        trees.Refused, match=rf"{tree}: expected nothing mounted below it, found {tree}/deep/er\. Unmount"
    ):
        trees.refuse_mounts(str(tree), mounted)
    trees.refuse_mounts(str(tree / "deep" / "er"), mounted)


def test_mount_points_are_read_as_the_kernel_writes_them(tmp_path):
    (tmp_path / "mountinfo").write_text(
        "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n40 22 0:31 / /srv/with\\040space\\134 rw - tmpfs tmpfs rw\n"
    )
    assert trees.mount_points(str(tmp_path / "mountinfo")) == {"/", "/srv/with space\\"}


def test_another_file_system_is_not_entered(tree):
    with pytest.raises(trees.Refused, match="no other file system"):
        trees.delete(str(tree), device=-1)
    assert (tree / "deep" / "er" / "file").exists()
