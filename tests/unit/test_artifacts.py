# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned list and what is resolved from it."""

import pathlib
import re

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils import artifacts

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUM = "a" * 64


@pytest.fixture
def catalogue():
    return {
        "kubernetes": {
            "1.36.3": {"etcd": "3.6.8", "images": {"registry.k8s.io/pause": "3.10.2"}},
            "1.35.4": {"etcd": "3.6.8", "images": {"registry.k8s.io/pause": "3.10.1"}},
        },
        "files": {
            "kubeadm": {
                "url": "https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kubeadm",
                "members": [{"path": None, "name": "kubeadm", "directory": "bin"}],
                "versions": {"1.36.3": {"amd64": SUM}, "1.35.4": {"amd64": SUM}},
            },
            "cni-flannel": {
                "url": "https://example.com/v{version}-flannel1/flannel-{arch}-v{version}.tgz",
                "members": [{"path": "./flannel-{arch}", "name": "flannel", "directory": "cni"}],
                "versions": {"1.9.1": {"amd64": SUM, "arm64": None}},
            },
        },
        "images": {
            "ghcr.io/flannel-io/flannel": {"v0.28.4": "sha256:" + SUM},
            "registry.k8s.io/pause": {"3.10.1": None},
        },
    }


def test_upstream_address(catalogue):
    found = artifacts.artifact(catalogue, "kubeadm", "1.36.3")
    assert found["url"] == "https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubeadm"
    assert found["sha256"] == SUM
    assert found["members"] == [{"path": None, "dest": "/usr/local/bin/kubeadm", "mode": "0755"}]


def test_mirror_address_keeps_upstreams_file_name(catalogue):
    found = artifacts.artifact(catalogue, "cni-flannel", mirror_url="https://mirror1/")
    assert found["url"] == "https://mirror1/files/cni-flannel/1.9.1/flannel-amd64-v1.9.1.tgz"
    assert found["members"] == [{"path": "./flannel-amd64", "dest": "/opt/cni/bin/flannel", "mode": "0755"}]


def test_directories_can_be_chosen(catalogue):
    found = artifacts.artifact(catalogue, "kubeadm", directories={"bin": "/usr/bin"})
    assert found["members"][0]["dest"] == "/usr/bin/kubeadm"


@pytest.mark.parametrize(
    ("name", "version", "arch", "words"),
    [
        ("kubeadm", "1.34.0", "amd64", ["1.36.3, 1.35.4", "1.34.0", "here.yml"]),
        ("kubeadn", None, "amd64", ["cni-flannel, kubeadm", "kubeadn"]),
        ("kubeadm", None, "arm64", ["amd64", "arm64"]),
        ("cni-flannel", None, "arm64", ["expected a sha256", "mirror_source: build"]),
    ],
)
def test_refusals_name_what_is_there(catalogue, name, version, arch, words):
    with pytest.raises(artifacts.ArtifactError) as error:
        artifacts.artifact(catalogue, name, version, arch=arch, where="here.yml")
    assert all(word in str(error.value) for word in words)


def test_a_malformed_checksum_is_refused(catalogue):
    catalogue["files"]["kubeadm"]["versions"]["1.36.3"]["amd64"] = "sha256:" + SUM
    with pytest.raises(artifacts.ArtifactError, match="64 hexadecimal digits"):
        artifacts.artifact(catalogue, "kubeadm")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("ghcr.io/flannel-io/flannel:v0.28.4", "ghcr.io/flannel-io/flannel:v0.28.4@sha256:" + SUM),
        ("ghcr.io/flannel-io/flannel", "ghcr.io/flannel-io/flannel:v0.28.4@sha256:" + SUM),
        ("registry.k8s.io/pause:3.10.2", "registry.k8s.io/pause:3.10.2"),
        ("example.com:5000/own/image:1", "example.com:5000/own/image:1"),
        ("example.com/own@sha256:" + SUM, "example.com/own@sha256:" + SUM),
    ],
)
def test_image_by_digest(catalogue, reference, expected):
    assert artifacts.image(catalogue, reference) == expected


def test_an_unknown_tag_of_a_known_image_is_refused(catalogue):
    with pytest.raises(artifacts.ArtifactError, match=r"v0\.28\.4.*found v9"):
        artifacts.image(catalogue, "ghcr.io/flannel-io/flannel:v9")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("registry:5000/a/b", ("registry:5000/a/b", None, None)),
        ("registry:5000/a/b:1@sha256:x", ("registry:5000/a/b", "1", "sha256:x")),
        ("a/b:1", ("a/b", "1", None)),
    ],
)
def test_split_reference(reference, expected):
    assert artifacts.split_reference(reference) == expected


def test_what_a_release_needs(catalogue):
    catalogue["files"]["etcd"] = dict(catalogue["files"]["kubeadm"], versions={"3.6.9": {}, "3.6.8": {}})
    files = artifacts.kubernetes_files(catalogue, "1.35.4")
    assert files == {"kubeadm": "1.35.4", "etcd": "3.6.8", "cni-flannel": "1.9.1"}
    assert artifacts.kubernetes_images(catalogue, "1.36.3") == [
        "registry.k8s.io/pause:3.10.2",
        "ghcr.io/flannel-io/flannel:v0.28.4",
    ]
    assert artifacts.missing_checksums(catalogue, {"cni-flannel": "1.9.1"}, "arm64") == ["cni-flannel 1.9.1"]


@pytest.mark.parametrize(("machine", "expected"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("amd64", "amd64")])
def test_architecture(machine, expected):
    assert artifacts.architecture(machine) == expected


def test_an_unknown_architecture_is_refused():
    with pytest.raises(artifacts.ArtifactError, match="riscv64"):
        artifacts.architecture("riscv64")


def pinned():
    return yaml.safe_load((ROOT / "artifacts" / "artifacts.yml").read_text(encoding="utf-8"))


def test_the_pinned_list_is_complete():
    catalogue = pinned()
    for version in artifacts.kubernetes_versions(catalogue):
        files = artifacts.kubernetes_files(catalogue, version)
        programs = {"kubeadm", "kubelet", "kubectl", "etcd", "containerd", "runc", "crictl"}
        programs |= {"cni-plugins", "cni-flannel"}
        assert programs <= set(files)
        for name, chosen in files.items():
            assert chosen in catalogue["files"][name]["versions"], (name, chosen)
        for own in ("kubeadm", "kubelet", "kubectl"):
            assert artifacts.artifact(catalogue, own, version)["url"].startswith(
                "https://dl.k8s.io/release/v" + version
            )


def test_pinned_checksums_are_well_formed_and_distinct():
    sums = [
        value
        for entry in pinned()["files"].values()
        for archs in entry["versions"].values()
        for value in archs.values()
        if value is not None
    ]
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in sums)
    assert len(sums) == len(set(sums))
