# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kubeconfigs. What needs a server is tested against a real one, in tests/api."""

from __future__ import annotations

import base64
import json
import os
import sys
import time

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube import config as kubeconfig
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.config import (
    ClusterAccess,
    kubeconfig_files,
    load_kubeconfig,
    tls_context,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.errors import KubeApiError

CA = "-----BEGIN CERTIFICATE-----\nnot read here\n-----END CERTIFICATE-----\n"


def config(cluster=None, user=None, context=None, name="site", **top):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": "https://192.0.2.1:6443", **(cluster or {})}}],
        "users": [{"name": name, "user": user or {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **(context or {})}}],
        "current-context": name,
        **top,
    }


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="config"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return str(path)

    return write_file


def refused(path, context=None):
    with pytest.raises(KubeApiError) as error:
        load_kubeconfig(path, context)
    return str(error.value)


def test_token_and_inline_authority(write):
    data = base64.b64encode(CA.encode()).decode()
    path = write(config({"certificate-authority-data": data}, {"token": "t"}, {"namespace": "analytics"}))
    access = load_kubeconfig(path)
    assert (access.server, access.namespace, access.ca, access.token) == (
        "https://192.0.2.1:6443",
        "analytics",
        CA,
        "t",
    )
    assert (access.insecure, access.server_name, access.client_certificate) == (False, None, None)


def test_files_are_relative_to_the_kubeconfig(write, tmp_path, monkeypatch):
    for name in ("ca.crt", "me.crt", "me.key", "token"):
        write(f"content of {name}\n", name)
    monkeypatch.chdir("/")
    user = {"client-certificate": "me.crt", "client-key": str(tmp_path / "me.key"), "tokenFile": "token"}
    access = load_kubeconfig(write(config({"certificate-authority": "ca.crt"}, user)))
    assert access.ca == "content of ca.crt\n"
    assert access.client_certificate == "content of me.crt\n"
    assert access.client_key == "content of me.key\n"
    assert access.token == "content of token"


def test_json_is_a_kubeconfig_too_even_without_pyyaml(write, monkeypatch):
    path = write(json.dumps(config()))
    monkeypatch.setattr(kubeconfig, "yaml", None)
    assert load_kubeconfig(path).server == "https://192.0.2.1:6443"
    assert "no PyYAML" in refused(write("a: b", "other"))


def test_insecure_only_if_said(write):
    assert load_kubeconfig(write(config({"insecure-skip-tls-verify": True}))).insecure is True
    assert load_kubeconfig(write(config({"insecure-skip-tls-verify": "no"}))).insecure is False


def test_of_several_files_the_first_wins(write):
    first = write(config({"server": "https://first:6443"}), "1")
    second = write(config({"server": "https://second:6443"}) | {"current-context": "other"}, "2")
    third = write(config({"server": "https://third:6443"}, name="third"), "3")
    joined = os.pathsep.join([first, "/does/not/exist", second, third])
    assert load_kubeconfig(joined).server == "https://first:6443"
    assert load_kubeconfig(joined, "third").server == "https://third:6443"


def test_the_default_is_in_the_home_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kubeconfig_files(None) == [str(tmp_path / ".kube/config")]
    assert "K8S_AUTH_KUBECONFIG" in refused(None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "not valid YAML"),
        ("token: 'secret-text", "not valid YAML"),
        ("- a", "expected a kubeconfig (a mapping), found list"),
        (config(context={"cluster": "gone"}), "no cluster named 'gone'; there are: site"),
        (config(context={"user": "gone"}), "no user named 'gone'; there are: site"),
        (config() | {"current-context": ""}, "no current-context. Set the option context to one of: site"),
        (config() | {"current-context": "x"}, "no context named 'x'"),
        (config({"server": "192.0.2.1:6443"}), "expected https://HOST:PORT, found '192.0.2.1:6443'"),
        (config({"server": ""}), "found ''"),
        (config({"certificate-authority": "gone.crt"}), "gone.crt cannot be read: No such file"),
        (config({"certificate-authority-data": "%%"}), "certificate-authority-data is not base64"),
        (config({"server": "https://192.0.2.1:none"}), "expected https://HOST:PORT, found 'https://192.0.2.1:none'"),
        (config({"proxy-url": "socks5://proxy:1080"}), "expected http://HOST:PORT, found socks5://proxy"),
        (config({"proxy-url": "proxy:3128"}), "expected http://HOST:PORT, found something else"),
        (
            config({"proxy-url": "http://me:secret-text/x@proxy:3128"}),
            "expected http://HOST:PORT, found something else",
        ),
        (config(user={"exec": {"command": "aws"}}), "the exec plugin 'aws' failed: malformed request"),
        (config(user={"auth-provider": {"name": "oidc"}}), "expected a token of the auth-provider 'oidc', found none"),
    ],
)
def test_what_is_wrong_is_named_without_its_secrets(write, content, message):
    text = refused(write(content))
    assert message in text
    assert "secret-text" not in text


@pytest.mark.parametrize(
    "user", [{"exec": {"command": "login", "apiVersion": "v1"}}, {"auth-provider": {"name": "oidc"}}]
)
def test_without_the_sdk_only_those_who_need_it_are_told_of_it(write, monkeypatch, user):
    monkeypatch.setitem(sys.modules, "kubernetes.config", None)
    assert load_kubeconfig(write(config(user={"token": "t"}))).token == "t"
    assert "needs the Python package kubernetes: install it" in refused(write(config(user=user)))


def test_an_auth_provider_gives_its_token(write):
    claims = (
        base64.urlsafe_b64encode(json.dumps({"sub": "me", "exp": time.time() + 3600}).encode()).decode().rstrip("=")
    )
    provider = {"name": "oidc", "config": {"id-token": f"e30.{claims}.c2ln"}}
    access = load_kubeconfig(write(config(user={"auth-provider": provider})))
    assert access.token == f"e30.{claims}.c2ln"
    assert access.renew is not None


def test_a_certificate_without_its_key_is_explained():
    access = ClusterAccess("https://h", client_certificate=CA, client_key="", source="the-config")
    with pytest.raises(KubeApiError, match="the-config: client-certificate and client-key"):
        tls_context(access)


def test_the_key_is_on_disk_only_while_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(kubeconfig.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(KubeApiError):
        tls_context(ClusterAccess("https://h", client_certificate=CA, client_key="k"))
    assert list(tmp_path.iterdir()) == []


TEN = ", ".join(["x"] * 10)
BOMB = f"a: &a [{TEN}]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi")
)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (BOMB, "(path), line 5: expected at most 1048576 characters by references, found more with *d. "
         "Write out what is meant: references to references multiply."),
        ("clusters: &a [*a]", "(path), line 1: expected data that ends, found *a inside &a itself. "
         "Write it out, or put a text that begins with an asterisk in quotes."),
        ("a: " + "[" * 5000, "(path), line 1: expected at most 64 levels within each other, found more. "
         "Is a bracket too many?"),
        ("a: 1\nb: \0", "(path): this kubeconfig is not valid YAML."),
        ("clusters: {a: b}", "(path): clusters: expected a list, found dict."),
        ("users: [a]", "(path): users: expected each to be a mapping with name and user, found another."),
        ("users: [{name: [a]}]", "(path): users: expected each to be a mapping with name and user, found another."),
        ("a: 2024-13-45", "(path): this kubeconfig holds what cannot be read. Put texts in quotes."),
        ("{[a]: b}", "(path), line 1: this kubeconfig is not valid YAML."),
        (config(user={"password": 5}), "(path): password of user 'site': expected a text, found int. "
         "Put it in quotes: how it is written is lost otherwise."),
        (config({"server": ["a"]}), "(path): server of cluster 'site': expected a text, found list. "
         "Put it in quotes: how it is written is lost otherwise."),
        (config(user={"exec": "login"}), "(path): exec of user 'site': expected a mapping, found str."),
    ],
)  # fmt: skip
def test_hostile_and_odd_kubeconfigs(write, content, says):
    path = write(content)
    assert refused(path) == says.replace("(path)", path)


def test_what_is_no_kubeconfig_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    large = tmp_path / "large"
    with large.open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    (tmp_path / "latin").write_bytes(b"a: \xe4")
    no_file = "expected a kubeconfig (a file), found neither file nor link to one."
    for name, says in (
        ("", no_file),
        ("pipe", no_file),
        ("large", "expected a kubeconfig of at most 8388608 bytes, found more."),
        ("latin", "expected a kubeconfig in UTF-8, found other bytes."),
    ):
        assert refused(str(tmp_path / name)) == f"{tmp_path / name}: {says}"


def test_a_kubeconfig_with_a_mark_before_it_and_numbers_as_names(write):
    access = load_kubeconfig(write("\ufeff" + yaml.safe_dump(config(name=2024)).replace("user: 2024", "user: '2024'")
                                   .replace("cluster: 2024", "cluster: '2024'")))  # fmt: skip
    assert access.server == "https://192.0.2.1:6443"
