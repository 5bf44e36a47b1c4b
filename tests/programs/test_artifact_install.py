# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against real files and a real HTTP server on loopback."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tarfile
import threading

import pytest
from ansible_collections.baremetal.bigdata.plugins.modules import artifact_install

MODULE = artifact_install.__file__


class Site:
    """A served directory, a host's root below tmp_path, and the module run as Ansible runs it."""

    def __init__(self, tmp_path):
        self.tmp = tmp_path
        self.www = tmp_path / "www"
        self.www.mkdir()
        self.requests = requests = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, directory=str(tmp_path / "www"), **kwargs)

            def log_message(self, template, *args):
                requests.append(self.path)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def program(self, name, content):
        (self.www / name).write_bytes(content)
        return self._artifact(name, content, [{"path": None, "dest": str(self.tmp / "bin" / name)}])

    def archive(self, name, entries, wanted):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for path, content in entries.items():
                info = tarfile.TarInfo(path)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        (self.www / name).write_bytes(buffer.getvalue())
        members = [{"path": path, "dest": str(self.tmp / "bin" / os.path.basename(path))} for path in wanted]
        return self._artifact(name, buffer.getvalue(), members)

    def _artifact(self, name, content, members):
        return {
            "name": name,
            "version": "1",
            "url": f"{self.url}/{name}",
            "sha256": hashlib.sha256(content).hexdigest(),
            "members": members,
        }

    def run(self, *artifacts, check=False, **params):
        arguments = {
            "artifacts": list(artifacts),
            "cache_dir": str(self.tmp / "cache"),
            "state_dir": str(self.tmp / "state"),
            "retries": 0,
            "timeout_seconds": 3,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            "_ansible_remote_tmp": str(self.tmp),
            **params,
        }
        process = subprocess.run(
            [sys.executable, MODULE],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(process.stdout), process

    def leftovers(self):
        names = []
        for directory in ("bin", "cache"):
            if (self.tmp / directory).is_dir():
                names += [
                    name for name in os.listdir(self.tmp / directory) if name not in ("kubeadm", "etcd", "etcdctl")
                ]
        return names


@pytest.fixture
def site(tmp_path):
    found = Site(tmp_path)
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_installs_a_program_and_an_archive(site):
    kubeadm = site.program("kubeadm", b"kubeadm 1")
    etcd = site.archive("etcd.tgz", {"./etcd-v1/etcd": b"etcd 1", "etcd-v1/README": b"x"}, ["etcd-v1/etcd"])
    result, _process = site.run(kubeadm, etcd)
    assert result["changed"] is True
    assert result["changed_artifacts"] == ["kubeadm", "etcd.tgz"]
    assert (site.tmp / "bin/kubeadm").read_bytes() == b"kubeadm 1"
    assert (site.tmp / "bin/etcd").read_bytes() == b"etcd 1"
    assert (site.tmp / "bin/etcd").stat().st_mode & 0o7777 == 0o755
    assert site.leftovers() == []


def test_second_run_changes_and_fetches_nothing(site):
    etcd = site.archive("etcd.tgz", {"etcd": b"etcd 1"}, ["etcd"])
    site.run(etcd)
    site.requests.clear()
    result, _process = site.run(etcd)
    assert (result["changed"], result["changed_artifacts"], site.requests) == (False, [], [])


def test_a_program_that_is_already_there_is_adopted(site):
    kubeadm = site.program("kubeadm", b"kubeadm 1")
    (site.tmp / "bin").mkdir()
    (site.tmp / "bin/kubeadm").write_bytes(b"kubeadm 1")
    (site.tmp / "bin/kubeadm").chmod(0o755)
    result, _process = site.run(kubeadm)
    assert (result["changed"], site.requests) == (False, [])


def test_a_touched_file_is_no_change(site):
    etcd = site.archive("etcd.tgz", {"etcd": b"etcd 1"}, ["etcd"])
    site.run(etcd)
    os.utime(site.tmp / "bin/etcd", (1, 1))
    assert site.run(etcd)[0]["changed"] is False


@pytest.mark.parametrize("damage", ["content", "absent", "mode"])
def test_a_damaged_file_is_repaired(site, damage):
    etcd = site.archive("etcd.tgz", {"etcd": b"etcd 1", "etcdctl": b"ctl"}, ["etcd", "etcdctl"])
    site.run(etcd)
    path = site.tmp / "bin/etcd"
    if damage == "content":
        path.write_bytes(b"etcd X")
    elif damage == "absent":
        path.unlink()
    else:
        path.chmod(0o700)
    result, _process = site.run(etcd)
    assert result["changed_artifacts"] == ["etcd.tgz"]
    assert path.read_bytes() == b"etcd 1"
    assert path.stat().st_mode & 0o7777 == 0o755
    assert site.run(etcd)[0]["changed"] is False


def test_upgrade_reports_versions(site):
    site.run(site.program("kubeadm", b"kubeadm 1"))
    newer = dict(site.program("kubeadm", b"kubeadm 2"), version="2")
    planned, _process = site.run(newer, check=True)
    assert planned["changed"] is True
    assert (site.tmp / "bin/kubeadm").read_bytes() == b"kubeadm 1"
    assert planned["diff"]["before"] == "kubeadm 1\n"
    assert planned["diff"]["after"].startswith("kubeadm 2\n")
    result, _process = site.run(newer)
    assert result["installed"][0]["previous_version"] == "1"
    assert (site.tmp / "bin/kubeadm").read_bytes() == b"kubeadm 2"


def test_check_mode_on_an_empty_host_contacts_nothing(site):
    result, _process = site.run(site.program("kubeadm", b"kubeadm 1"), check=True)
    assert result["changed"] is True
    assert site.requests == []
    assert not (site.tmp / "bin").exists()
    assert not (site.tmp / "state").exists()


def test_one_wrong_checksum_stops_everything(site):
    site.run(site.program("kubeadm", b"kubeadm 1"))
    kubeadm = dict(site.program("kubeadm", b"kubeadm 2"), version="2")
    wrong = dict(site.archive("etcd.tgz", {"etcd": b"etcd"}, ["etcd"]), sha256="b" * 64)
    result, _process = site.run(kubeadm, wrong)
    assert result["failed"] is True
    for word in (wrong["url"], "b" * 64, "found", "Nothing was installed"):
        assert word in result["msg"]
    assert (site.tmp / "bin/kubeadm").read_bytes() == b"kubeadm 1"
    assert not (site.tmp / "bin/etcd").exists()
    assert not [name for name in os.listdir(site.tmp / "cache") if name.endswith(".part")]


def test_fetched_verifies_and_installs_nothing(site):
    good, bad = site.program("kubeadm", b"kubeadm 1"), site.program("etcd", b"etcd 1") | {"sha256": "0" * 64}
    result, _ = site.run(good, state="fetched")
    assert (result["changed"], result["fetched"]) == (False, ["kubeadm"])
    assert not (site.tmp / "bin").exists()
    result, _ = site.run(good, bad, state="fetched")
    assert result["failed"]
    assert "expected sha256 " + "0" * 64 in result["msg"]
    before = len(site.requests)
    result, _ = site.run(good)
    assert (result["changed_artifacts"], len(site.requests)) == (["kubeadm"], before)


def test_a_missing_member_stops_everything(site):
    kubeadm = site.program("kubeadm", b"kubeadm 1")
    etcd = site.archive("etcd.tgz", {"other": b"etcd"}, ["etcd"])
    result, _process = site.run(kubeadm, etcd)
    assert "expected etcd in" in result["msg"]
    assert "found other" in result["msg"]
    assert os.listdir(site.tmp / "bin") == []


def test_a_link_in_the_place_of_a_member_is_refused(site):
    etcd = site.archive("etcd.tgz", {"other": b"x"}, ["etcd"])
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("etcd")
        info.type = tarfile.SYMTYPE
        info.linkname = "/etc/shadow"
        tar.addfile(info)
    (site.www / "etcd.tgz").write_bytes(buffer.getvalue())
    etcd["sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    assert "expected a regular file" in site.run(etcd)[0]["msg"]


def test_something_else_than_an_archive(site):
    page = site.program("etcd.tgz", b"<html>login</html>")
    page["members"] = [{"path": "etcd", "dest": str(site.tmp / "bin/etcd")}]
    assert "expected an archive" in site.run(page)[0]["msg"]


def test_absent_and_unreachable_sources(site):
    kubeadm = site.program("kubeadm", b"kubeadm 1")
    (site.www / "kubeadm").unlink()
    message = site.run(kubeadm)[0]["msg"]
    assert kubeadm["url"] in message
    assert "HTTP 404" in message
    kubeadm["url"] = "http://127.0.0.1:9/kubeadm"
    message = site.run(kubeadm)[0]["msg"]
    assert "Connection refused" in message
    assert "Check that this host reaches" in message


def test_a_verified_download_is_used_again(site):
    kubeadm = site.program("kubeadm", b"kubeadm 1")
    (site.tmp / "cache").mkdir()
    (site.tmp / "cache" / kubeadm["sha256"]).write_bytes(b"kubeadm 1")
    assert site.run(kubeadm)[0]["changed"] is True
    assert site.requests == []


@pytest.mark.parametrize(
    ("change", "word"),
    [({"sha256": "abc"}, "64 hexadecimal digits"), ({"name": "../x"}, "simple names")],
)
def test_bad_input_is_refused(site, change, word):
    kubeadm = dict(site.program("kubeadm", b"kubeadm 1"), **change)
    assert word in site.run(kubeadm)[0]["msg"]


def test_bad_ca_is_refused(site):
    assert "expected certificates" in site.run(site.program("kubeadm", b"x"), ca_content="nonsense")[0]["msg"]


def test_what_was_installed_goes_by_the_record_in_whatever_version(site):
    one = site.program("one", b"first")
    two = site.archive("two.tgz", {"bin/a": b"a", "bin/b": b"b"}, ["bin/a", "bin/b"])
    mirrors = site.program("registry", b"of a mirror on the same host")
    site.run(one, two, mirrors)
    (site.tmp / "bin" / "b").write_bytes(b"someone else's")
    (site.tmp / "bin" / "theirs").write_bytes(b"theirs")
    checked, _rc = site.run(state="absent", names=["one", "two.tgz", "never"], check=True)
    assert (site.tmp / "bin" / "one").exists()
    done, _rc = site.run(state="absent", names=["one", "two.tgz", "never"])
    assert sorted(path.name for path in (site.tmp / "bin").iterdir()) == ["b", "registry", "theirs"]
    assert done["removed"] == checked["removed"] == [str(site.tmp / "bin" / name) for name in ("one", "a")]
    assert done["diff"] == checked["diff"]
    assert done["diff"]["before"] == f"one 1\n  {site.tmp}/bin/one\ntwo.tgz 1\n  {site.tmp}/bin/a\n"
    assert not site.run(state="absent", names=["one", "two.tgz", "never"])[0]["changed"]
    assert site.run(one)[0]["changed_artifacts"] == ["one"]
