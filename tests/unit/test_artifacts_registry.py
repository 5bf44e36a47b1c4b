# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushing into a real registry on loopback. Skipped where the artifacts have not been built."""

import hashlib
import io
import json
import os
import pathlib
import socket
import subprocess
import tarfile
import time
import urllib.request

import pytest
from ansible_collections.baremetal.bigdata.plugins.modules import registry_image
from running import run_module

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "baremetal-bigdata/artifacts"
PROGRAMS = sorted(CACHE.glob("go-registry-*/registry"))

pytestmark = pytest.mark.skipif(not PROGRAMS, reason="no registry in the artifact cache: run artifacts/build.py")


@pytest.fixture
def registry(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (tmp_path / "config.yml").write_text(json.dumps(config))
    process = subprocess.Popen(
        [PROGRAMS[0], "serve", tmp_path / "config.yml"],
        env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 20
    while True:
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address + "/v2/").close()
            break
        except OSError:
            assert time.monotonic() < deadline, "the registry did not answer within 20 s"
            time.sleep(0.05)
    yield address
    process.terminate()
    process.wait()


def archive(directory, content=b"layer"):
    """An OCI archive with one layer; its digest."""
    blobs = {}

    def put(data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"digest": digest, "size": len(data)}

    config = put(b"{}") | {"mediaType": "application/vnd.oci.image.config.v1+json"}
    layer = put(content) | {"mediaType": "application/vnd.oci.image.layer.v1.tar"}
    kind = registry_image.MANIFESTS[0]
    manifest = put(json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}).encode())
    target = directory / (manifest["digest"].replace(":", "-") + ".tar")
    with tarfile.open(target, "w") as tar:
        for digest, data in blobs.items():
            info = tarfile.TarInfo("blobs/" + digest.replace(":", "/"))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return manifest["digest"]


def run(address, directory, digest, check=False, tag="1"):
    arguments = {
        "registry": address,
        "archive_dir": str(directory),
        "images": [{"repository": "registry.k8s.io/pause", "tag": tag, "digest": digest}],
        "_ansible_check_mode": check,
        "_ansible_remote_tmp": str(directory),
    }
    return run_module(registry_image, arguments)


def test_push_once(registry, tmp_path):
    digest = archive(tmp_path)
    planned = run(registry, tmp_path, digest, check=True)
    assert (planned["changed"], planned["missing"]) == (True, [digest])
    assert run(registry, tmp_path, digest)["missing"] == [digest]
    assert run(registry, tmp_path, digest)["changed"] is False
    assert run(registry, tmp_path, digest, check=True)["changed"] is False


def test_a_tag_moves_to_another_digest(registry, tmp_path):
    run(registry, tmp_path, archive(tmp_path))
    digest = archive(tmp_path, b"other")
    assert run(registry, tmp_path, digest)["changed"] is True
    assert run(registry, tmp_path, digest)["changed"] is False


def test_a_missing_archive_is_an_error(registry, tmp_path):
    assert "No such file" in run(registry, tmp_path, "sha256:" + "0" * 64)["msg"]


def test_no_registry(tmp_path):
    digest = archive(tmp_path)
    message = run("http://127.0.0.1:9", tmp_path, digest)["msg"]
    assert "http://127.0.0.1:9" in message
    assert "Connection refused" in message
    assert run("http://127.0.0.1:9", tmp_path, digest, check=True)["missing"] == [digest]
