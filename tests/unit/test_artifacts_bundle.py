# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts that make bundles, as far as they can be tested without building."""

import importlib.util
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest

ARTIFACTS = pathlib.Path(__file__).resolve().parents[2] / "artifacts"
SUM = "a" * 64


def script(name):
    sys.path.insert(0, str(ARTIFACTS))
    try:
        spec = importlib.util.spec_from_file_location(f"artifacts_{name}", ARTIFACTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
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
    made = []

    def described(kind):
        def make(unit, description, version):
            made.append((unit, version))
            if kind == "pypi":
                name, pinned = build.pypi_pin(description.read_text(), description.name)
                assert version in (None, pinned), (unit, name)

        return make

    for kind in ("maven", "pypi", "c_program"):
        setattr(builder, kind, described(kind))
    builder.go = lambda unit, version: made.append((unit, version)) or builder.go_module(unit, version)
    for release in catalogue["kubernetes"]:
        for name, version in bundle.files_of(catalogue, release):
            if name != "runc":
                unit, _members = build.layouts(version, "amd64")[name]
                assert (builder.go_module(unit, version) / "go.sum").is_file()
        for reference in bundle.images_of(catalogue, release, apps=catalogue["apps"]):
            recipe = builder.recipe(reference)
            assert (build.IMAGES / recipe.folder / "Containerfile").is_file(), reference
            assert not (recipe.rootfs and recipe.base), reference
            if recipe.rootfs:
                assert (build.IMAGES / "rootfs" / f"{recipe.rootfs}.txt").is_file(), reference
            if recipe.base:
                builder.recipe(f"{recipe.base}:{bundle.default_tag(catalogue, recipe.base)}")
            for number, unit in enumerate(recipe.units):
                builder.programs(unit, None if number or recipe.base else reference.rsplit(":", 1)[1].removeprefix("v"))
    assert {("pause", "3.10.2"), ("hazelcast", "5.7.0"), ("spark", "4.3.0"), ("kubernetes", "1.36.3")} <= set(made)


def test_every_apps_images_are_listed_and_every_recipe_is_of_use():
    catalogue = bundle.load()
    listed = {repository for images in catalogue["apps"].values() for repository in images}
    assert listed <= set(catalogue["images"])
    kubernetes = {repository for release in catalogue["kubernetes"].values() for repository in release["images"]}
    assert set(build.IMAGE_RECIPES) == kubernetes | set(catalogue["images"])


@pytest.mark.parametrize(
    ("only", "apps", "expected"),
    [
        ([], [], ["k/pause:1", "n/flannel:1"]),
        ([], ["one"], ["k/pause:1", "n/flannel:1", "a/one:3", "a/both:4"]),
        ([], ["two"], ["k/pause:1", "n/flannel:1", "a/both:4"]),
        ([], ["own"], ["k/pause:1", "n/flannel:1"]),
        (["a/one"], [], ["a/one:3"]),
        (["kubelet"], ["one"], []),
    ],
)
def test_images_of_a_bundle(only, apps, expected):
    catalogue = {
        "kubernetes": {"1.36.3": {"images": {"k/pause": "1"}}},
        "apps": {"one": ["a/one", "a/both"], "two": ["a/both"], "own": []},
        "images": {"n/flannel": {"1": None}, "a/one": {"3": None, "2": None}, "a/both": {"4": None}},
    }
    assert list(bundle.images_of(catalogue, "1.36.3", only, apps)) == expected


@pytest.mark.parametrize("program", ["build", "collect", "download"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--app=sparc"], ["--app: expected one of hazelcast, ", "found sparc"]),
        (["--only=docker.io/apache/sparc"], ["found docker.io/apache/sparc", "Did you mean docker.io/apache/spark?"]),
        (["--kubernetes=1.2.3"], ["kubernetes: expected one of 1.36.3, 1.35.4, found 1.2.3"]),
    ],
)
def test_unknown_names_are_refused_before_anything_is_fetched(tmp_path, program, arguments, words):
    argv = [sys.executable, ARTIFACTS / f"{program}.py", "--kubernetes=1.36.3", *arguments]
    argv += [f"--cache={tmp_path}/cache", f"--bundle={tmp_path}/bundle.yml"]
    done = subprocess.run(
        argv + (["--source=build"] if program == "collect" else []), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert all(word in done.stderr for word in words), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_unit_is_what_its_files_say(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "HERE", tmp_path)
    monkeypatch.setattr(build, "IMAGES", tmp_path / "images")
    for name in ("maven/one/pom.xml", "pypi/two.txt", "images/three/three.c", "go/four/go.mod"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    builder = build.Builder(tmp_path, {}, "amd64")
    for kind in ("maven", "pypi", "c_program"):
        setattr(builder, kind, lambda _unit, _description, _version, kind=kind: kind)
    builder.go = lambda _unit, _version: "go"
    assert [builder.programs(unit, "1") for unit in ("one", "two", "three", "four")] == [
        "maven",
        "pypi",
        "c_program",
        "go",
    ]


def test_another_version_than_pypis_pin_is_refused(tmp_path):
    pins = tmp_path / "spark.txt"
    pins.write_text(f"# comment\npyspark==4.3.0 \\\n    --hash=sha256:{SUM}\n")
    assert build.pypi_pin(pins.read_text(), pins.name) == ("pyspark", "4.3.0")
    with pytest.raises(build.BuildError, match=r"begin with pyspark==4.2.0, found pyspark==4.3.0"):
        build.Builder(tmp_path, {}, "amd64").pypi("spark", pins, "4.2.0")
    pins.write_text("pyspark\n")
    with pytest.raises(build.BuildError, match="name==version with its --hash, found none"):
        build.pypi_pin(pins.read_text(), pins.name)


def test_what_comes_from_pypi_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("a/__init__.py", "A")
        wheel.writestr("a-1.data/purelib/a/more.py", "M")
        wheel.writestr("a-1.data/data/share/a.txt", "S")
        wheel.writestr("a-1.data/scripts/run", "R")
    (tmp_path / "b.py").write_text("B")
    with tarfile.open(tmp_path / "two-words-1.0.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "b.py", "two-words-1.0/src/b.py")
    target = tmp_path / "target"
    target.mkdir()
    build.unpack(tmp_path / "a-1-py3-none-any.whl", target)
    build.unpack(tmp_path / "two-words-1.0.tar.gz", target)
    site = {str(path.relative_to(target / "site")) for path in (target / "site").rglob("*") if path.is_file()}
    assert site == {"a/__init__.py", "a/more.py", "share/a.txt", "bin/run"}
    assert (target / "two-words" / "src" / "b.py").read_text() == "B"
    assert sorted(path.name for path in target.iterdir()) == ["site", "two-words"]
    with pytest.raises(build.BuildError, match="expected a wheel"):
        build.unpack(tmp_path / "x.egg", target)


def test_a_recipe_that_names_nothing_is_an_error(tmp_path):
    with pytest.raises(build.BuildError, match="Correct the recipe"):
        build.link(tmp_path / "none", tmp_path / "context" / "none")


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
