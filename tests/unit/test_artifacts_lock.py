# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mirror's lock file says after the mirror was filled again."""

import copy

import pytest
from ansible_collections.baremetal.bigdata.plugins.filter.lock_images import lock_images
from ansible_collections.baremetal.bigdata.plugins.filter.lock_merge import lock_merge

OLD, NEW, OTHER = "a" * 64, "b" * 64, "c" * 64


def lock(**parts):
    return {"source": "build", "kubernetes": {}, "files": {}, "images": {}} | parts


def kubelet(**versions):
    return {"kubelet": {"url": "https://example.com/{version}/kubelet", "members": [], "versions": versions}}


def test_a_bundle_of_one_image_takes_nothing_from_the_lock():
    former = lock(
        kubernetes={"1.36.3": {"etcd": "3.6.8"}},
        files=kubelet(**{"1.36.3": {"amd64": OLD}}),
        images={"a/one": {"1": "sha256:1"}},
    )
    published = lock(kubernetes={"1.36.3": {"etcd": "3.6.8"}}, files=kubelet(), images={"a/two": {"2": "sha256:2"}})
    before = copy.deepcopy((published, former))
    merged = lock_merge(published, former, [OLD], [])
    assert merged["files"]["kubelet"]["versions"] == {"1.36.3": {"amd64": OLD}}
    assert merged["images"] == {"a/two": {"2": "sha256:2"}, "a/one": {"1": "sha256:1"}}
    assert (published, former) == before


def test_what_is_published_now_comes_first_and_wins():
    former = lock(
        kubernetes={"1.35.4": {}, "1.36.3": {"etcd": "old"}},
        files=kubelet(**{"1.35.4": {"amd64": OLD}, "1.36.3": {"amd64": OTHER, "arm64": OTHER}}),
        images={"a/one": {"1": "sha256:1", "2": "sha256:old"}},
    )
    published = lock(
        kubernetes={"1.36.3": {"etcd": "new"}},
        files=kubelet(**{"1.36.3": {"amd64": NEW}}),
        images={"a/one": {"2": "sha256:2"}},
    )
    merged = lock_merge(published, former, [OLD, OTHER], [])
    assert list(merged["kubernetes"].items()) == [("1.36.3", {"etcd": "new"}), ("1.35.4", {})]
    versions = merged["files"]["kubelet"]["versions"]
    assert list(versions.items()) == [("1.36.3", {"amd64": NEW, "arm64": OTHER}), ("1.35.4", {"amd64": OLD})]
    assert list(merged["images"]["a/one"].items()) == [("2", "sha256:2"), ("1", "sha256:1")]


def test_what_the_mirror_does_not_hold_any_more_is_dropped():
    former = lock(files=kubelet(**{"1.35.4": {"amd64": OLD}}), images={"a/one": {"1": "sha256:1"}})
    merged = lock_merge(lock(files=kubelet()), former, [], ["sha256:1"])
    assert merged["files"]["kubelet"]["versions"] == {}
    assert merged["images"] == {}


@pytest.mark.parametrize("former", [None, {}])
def test_a_first_run(former):
    published = lock(images={"a/one": {"1": "sha256:1"}})
    assert lock_merge(published, former, [], []) == published
    assert lock_images(former) == []


def test_images_of_a_lock():
    assert lock_images(lock(images={"a/one": {"1": "sha256:1", "2": None}, "b": None})) == [
        {"repository": "a/one", "tag": "1", "digest": "sha256:1"}
    ]
