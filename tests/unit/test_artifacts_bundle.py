# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts that make bundles, as far as they can be tested without building."""

import importlib.util
import pathlib
import sys

import pytest

ARTIFACTS = pathlib.Path(__file__).resolve().parents[2] / "artifacts"
SUM = "a" * 64


def script(name):
    sys.path.insert(0, str(ARTIFACTS))
    try:
        spec = importlib.util.spec_from_file_location(f"artifacts_{name}", ARTIFACTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ARTIFACTS))
    return module


build = script("build")
download = script("download")
bundle = build.bundle


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{SUM}\n", SUM),
        (f"{SUM}  x.tgz\n", SUM),
        (f"{'b' * 64}  y.tgz\n{SUM} *x.tgz\n", SUM),
        (f"{'b' * 64}  y.tgz\n{SUM}  z.tgz\n", None),
        ("<html>not found</html>", None),
    ],
)
def test_checksum_beside_a_file(text, expected):
    assert download.checksum_in(text, "x.tgz") == expected


def test_a_file_without_any_checksum_is_refused():
    catalogue = bundle.load()
    catalogue["files"]["kubeadm"]["versions"]["1.36.3"] = {"amd64": None}
    with pytest.raises(download.DownloadError, match="Unverified files are never used"):
        download.wanted_checksum(catalogue, "kubeadm", "1.36.3", "amd64")


def test_everything_pinned_can_be_built(tmp_path):
    catalogue = bundle.load()
    builder = build.Builder(tmp_path, catalogue, "amd64")
    for release in catalogue["kubernetes"]:
        for name, version in bundle.files_of(catalogue, release):
            if name != "runc":
                unit, _members = build.layouts(version, "amd64")[name]
                assert (builder.go_module(unit, version) / "go.sum").is_file()
        for reference in bundle.images_of(catalogue, release):
            repository, tag = reference.rsplit(":", 1)
            folder, unit, _names, base = build.IMAGE_RECIPES[repository]
            assert (build.IMAGES / folder / "Containerfile").is_file()
            assert base is None or (build.IMAGES / "rootfs" / f"{base}.txt").is_file()
            if unit not in ("pause", "hazelcast"):
                builder.go_module(unit, tag.removeprefix("v"))


def test_archives_have_upstreams_members():
    catalogue = bundle.load()
    for name, entry in catalogue["files"].items():
        version = next(iter(entry["versions"]))
        if name == "runc":
            continue
        _unit, members = build.layouts(version, "amd64")[name]
        if members is None:
            continue
        made = {path for path, _program in members}
        wanted = {
            member["path"].format(version=version, arch="amd64") if member["path"] else None
            for member in entry["members"]
        }
        assert wanted <= made, name


def test_an_interrupted_step_leaves_nothing_and_is_made_again(tmp_path):
    builder = build.Builder(tmp_path, {}, "amd64")

    def interrupted():
        with builder.made("go-x", "1", "build") as (_final, work):
            (work / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".go-x-1-killed").mkdir()
    with builder.made("go-x", "1", "build") as (final, work):
        (work / "whole").write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["go-x-1"]
    with builder.made("go-x", "1", "build") as (final, work):
        assert work is None
    assert (final / "whole").is_file()


def test_packing_is_repeatable(tmp_path):
    (tmp_path / "registry").write_bytes(b"program")
    for name in ("a", "b"):
        build.Builder.pack(tmp_path / name, tmp_path, [("registry", "registry")])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_written_bundle_is_written_once(tmp_path, capsys):
    catalogue = bundle.load()
    program = tmp_path / "kubeadm"
    program.write_bytes(b"x")
    made = bundle.Bundle(catalogue, "build", "amd64")
    made.add_file("kubeadm", "1.36.3", program)
    for expected in ("changed", "unchanged"):
        made.write(tmp_path / "bundle.yml", ["1.36.3"])
        assert capsys.readouterr().out.strip() == expected
    lock = bundle.load(tmp_path / "bundle.yml")["lock"]
    assert list(lock["kubernetes"]) == ["1.36.3"]
    assert list(lock["files"]["kubeadm"]["versions"]) == ["1.36.3"]
    assert lock["files"]["etcd"]["versions"] == {}
