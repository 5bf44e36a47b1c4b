# SPDX-License-Identifier: GPL-3.0-or-later
"""Local volumes: what the inventory describes, and what may be wiped."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.bigdata.plugins.filter.local_volumes import local_volumes
from ansible_collections.baremetal.bigdata.plugins.filter.persistent_volumes import persistent_volumes
from ansible_collections.baremetal.bigdata.plugins.module_utils.host.volumes import volume_name
from ansible_collections.baremetal.bigdata.plugins.modules import storage_directories as directories
from ansible_collections.baremetal.bigdata.plugins.modules.storage_volumes import problems, summary
from hypothesis import given
from hypothesis import strategies as st


def volumes(*entries, **variables):
    return local_volumes(["w1"], {"w1": {"storage_local_volumes": list(entries), **variables}})


def refusal(*entries) -> str:
    with pytest.raises(AnsibleFilterError) as error:
        volumes(*entries)
    return str(error.value)


def test_a_path_and_a_count_below_a_base():
    found = volumes({"path": "/srv/disk1/", "size": "900Gi"}, {"base": "/srv/volumes", "count": 2, "size": "1Gi"})
    assert [(item["name"], item["path"], item["size"]) for item in found] == [
        ("local-w1-srv-disk1", "/srv/disk1", "900Gi"),
        ("local-w1-srv-volumes-vol1", "/srv/volumes/vol1", "1Gi"),
        ("local-w1-srv-volumes-vol2", "/srv/volumes/vol2", "1Gi"),
    ]


def test_a_name_depends_on_class_node_and_path_alone():
    assert volume_name("local", "Node.A", "/Data/Vol_1") == "local-node.a-data-vol-1"
    (one,) = volumes({"path": "/srv/a", "size": "1Gi"}, cluster_node_name="n1")
    assert (one["name"], one["node"], one["host"]) == ("local-n1-srv-a", "n1", "w1")


def test_hosts_without_volumes_have_none():
    assert local_volumes(["w1", "w2"], {"w1": {}, "w2": {"storage_local_volumes": []}}) == []


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (
            {"path": "/srv/a"},
            "w1: expected storage_local_volumes[0] with path and size, or base, count and size, found path",
        ),
        ({"path": "/srv/a", "size": "1Gi", "count": 2}, "found count, path, size"),
        ("/srv/a", "found '/srv/a'"),
        ({"path": "srv/a", "size": "1Gi"}, ".path to be the absolute path of a directory that is for this alone"),
        ({"path": "/etc/volumes", "size": "1Gi"}, "found '/etc/volumes'"),
        ({"path": "/var/lib/kubelet/pods", "size": "1Gi"}, "found '/var/lib/kubelet/pods'"),
        ({"path": "/", "size": "1Gi"}, "found '/'"),
        ({"path": "/srv/../etc", "size": "1Gi"}, "found '/srv/../etc'"),
        ({"path": "/srv/./a", "size": "1Gi"}, "found '/srv/./a'"),
        ({"path": "/srv/" + "a" * 250, "size": "1Gi"}, "names of at most 253 characters"),
        ({"base": "/usr", "count": 1, "size": "1Gi"}, ".base to be the absolute path"),
        ({"path": "/srv/a", "size": "1 GB"}, ".size to be a Kubernetes quantity such as 100Gi, found '1 GB'"),
        ({"path": "/srv/a", "size": "0Gi"}, "found '0Gi'"),
        ({"base": "/srv/v", "count": 0, "size": "1Gi"}, ".count to be a whole number from 1 to 100, found 0"),
        ({"base": "/srv/v", "count": True, "size": "1Gi"}, "found True"),
    ],
)
def test_what_is_no_volume_is_refused(entry, text):
    assert text in refusal(entry)


def test_every_problem_is_named_at_once():
    assert len(refusal({"path": "/etc", "size": "1Gi"}, {"path": "/srv/a", "size": "x"}).splitlines()) == 2


def test_two_paths_with_one_name_are_refused():
    text = refusal({"path": "/srv/a-b", "size": "1Gi"}, {"path": "/srv/a_b", "size": "1Gi"})
    assert "found /srv/a_b and /srv/a-b of w1, which make one name, local-w1-srv-a-b" in text


def test_two_hosts_whose_volumes_would_have_one_name_are_refused():
    hostvars = {
        "db": {"storage_local_volumes": [{"path": "/srv/v1", "size": "9Gi"}]},
        "db-srv": {"storage_local_volumes": [{"path": "/v1", "size": "5Gi"}]},
    }
    with pytest.raises(AnsibleFilterError, match=r"db-srv: .*, found /v1 and /srv/v1 of db, which make one name"):
        local_volumes(hostvars, hostvars)


def test_volumes_in_one_another_are_refused():
    outer, inner = {"path": "/srv/d1", "size": "1Gi"}, {"path": "/srv/d1/sub", "size": "1Gi"}
    for entries in ((outer, inner), (inner, outer)):
        assert "expected volumes beside each other, found /srv/d1/sub in /srv/d1." in refusal(*entries)
    assert "found /srv/d1/vol1 in /srv/d1." in refusal(outer, {"base": "/srv/d1", "count": 1, "size": "1Gi"})
    assert "in /srv/d1." not in str(volumes(outer, {"path": "/srv/d10", "size": "1Gi"}))


paths = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4).map(lambda parts: "/data/" + "/".join(parts))


@given(st.lists(paths, min_size=1, max_size=5, unique=True))
def test_no_file_lies_in_two_volumes(found):
    nested = any(one != other and (one + "/").startswith(other + "/") for one in found for other in found)
    entries = [{"path": path, "size": "1Gi"} for path in found]
    if nested:
        assert "beside each other" in refusal(*entries)
    else:
        assert len({item["name"] for item in volumes(*entries)}) == len(found)


def test_a_volume_is_on_its_node_and_kept():
    (item,) = persistent_volumes(volumes({"path": "/srv/a", "size": "5Gi"}), "fast")
    spec = item["spec"]
    (term,) = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["w1"]}]
    assert (spec["persistentVolumeReclaimPolicy"], spec["storageClassName"]) == ("Retain", "fast")
    assert (spec["local"], spec["capacity"]) == ({"path": "/srv/a"}, {"storage": "5Gi"})


def test_only_released_volumes_are_freed():
    found = [
        {"name": "v1", "phase": "Released", "claim": "a/b", "path": "/srv/1"},
        {"name": "v2", "phase": "Bound", "claim": "a/c", "path": "/srv/2"},
        {"name": "v3", "phase": "Available", "claim": "", "path": "/srv/3"},
    ]
    assert problems(found, ["v1", "v3"]) == []
    (held, unknown) = problems(found, ["v2", "v4"])
    assert held.startswith("v2: expected a released volume, found that a/c holds it.")
    assert unknown.startswith("v4: expected a volume of this StorageClass (v1, v2, v3), found none")


def test_a_volume_in_few_words():
    volume = {
        "metadata": {"name": "v1"},
        "spec": {"local": {"path": "/srv/1"}, "claimRef": {"namespace": "cassandra", "name": "data-cassandra-seed-0"}},
        "status": {"phase": "Released"},
    }
    assert summary(volume) == {
        "name": "v1",
        "phase": "Released",
        "claim": "cassandra/data-cassandra-seed-0",
        "path": "/srv/1",
    }


def test_missing_directories_are_made_with_their_parents(tmp_path):
    there, wanted = tmp_path / "there", tmp_path / "a" / "b"
    there.mkdir()
    there.chmod(0o770)
    assert directories.missing([str(there), str(wanted)]) == [str(wanted)]
    directories.make(str(wanted), wanted.parent.parent.stat().st_uid, -1, 0o750)
    assert (wanted.stat().st_mode & 0o7777, there.stat().st_mode & 0o7777) == (0o750, 0o770)
    assert [path.name for path in wanted.parent.iterdir()] == ["b"]


@pytest.mark.parametrize("kind", ["file", "link", "below a file"])
def test_what_is_no_directory_is_refused(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "link":
        path.symlink_to(tmp_path)
    else:
        path.write_text("")
    with pytest.raises(directories.Refused, match="expected a directory"):
        directories.missing([str(path / "y" if kind == "below a file" else path)])


def test_directories_in_one_another_by_a_link_or_a_mount_are_refused(tmp_path):
    disk = tmp_path / "disk"
    (disk / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(disk)
    directories.refuse_nested([str(disk), str(tmp_path / "other")])
    with pytest.raises(directories.Refused, match=r"link/sub: expected a directory of its own, found one in .*/disk"):
        directories.refuse_nested([str(disk), str(tmp_path / "link" / "sub")])
    with pytest.raises(directories.Refused, match="found the same as"):
        directories.refuse_nested([str(disk), str(tmp_path / "link")])
    # A directory of the first file system, mounted elsewhere; and a disk of its own below it.
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "2 1 8:1 /srv/d1/sub /data rw - ext4 /dev/sda1 rw\n"
        "3 1 8:16 / /srv/d1/disk rw - ext4 /dev/sdb rw\n"
    )
    with pytest.raises(directories.Refused, match=r"/data/x: expected a directory of its own, found one in /srv/d1"):
        directories.refuse_nested(["/srv/d1", "/data/x"], str(mountinfo))
    directories.refuse_nested(["/srv/d2", "/data/x"], str(mountinfo))


def test_a_volume_is_emptied_and_stays(tmp_path):
    (tmp_path / "data" / "rows").mkdir(parents=True)
    (tmp_path / "data" / "rows" / "1").write_text("x")
    (tmp_path / "outside").symlink_to("/etc")
    for entry in directories.entries(str(tmp_path)):
        directories.delete(entry, tmp_path.stat().st_dev)
    assert list(tmp_path.iterdir()) == []
