# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in what a run prints, however much it prints."""

from __future__ import annotations

import base64
import re

import pytest
import yaml
from conftest import connect

KUBECONFIGS = ["admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf"]


def forms(secret: bytes) -> set[str]:
    """How a secret may stand in a log: as it is, line by line, JSON-escaped, and in base64 at any offset."""
    text = secret.decode(errors="ignore")
    lines = {line for line in text.splitlines() if len(line) >= 20 and "-----" not in line}
    # The first and last four characters depend on what stands beside it.
    encoded = {base64.b64encode(b"x" * shift + secret).decode()[4:-4] for shift in range(3)}
    return {text.strip()} | lines | encoded


@pytest.fixture(scope="module")
def secrets():
    """Name -> secret: private keys, keys in kubeconfigs, tokens and Secrets of the cluster."""
    host = connect("cp1")
    keys = host.check_output("grep -rlE 'PRIVATE KEY-----' /etc /var/lib/etcd --exclude-dir=alternatives || true")
    found = {path: host.file(path).content for path in keys.splitlines()}
    assert {"/etc/kubernetes/pki/ca.key", "/etc/kubernetes/pki/sa.key"} <= set(found)
    for name in KUBECONFIGS:
        config = yaml.safe_load(host.file(f"/etc/kubernetes/{name}").content)
        encoded = config["users"][0]["user"]["client-key-data"]
        found[f"{name} (as it stands there)"] = encoded.encode()
        found[name] = base64.b64decode(encoded)
    for node in ("cp1", "worker1"):
        path = "/var/lib/kubelet/pki/kubelet-client-current.pem"
        pem = connect(node).file(path).content
        found[f"{node}:{path}"] = b"".join(re.findall(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*", pem, re.DOTALL))
        tokens = connect(node).check_output("find /var/lib/kubelet/pods -path '*/kube-api-access-*/..*/token' -type f")
        for token in tokens.splitlines():
            found[f"{node}:{token}"] = connect(node).file(token).content
    return found


def in_secret_objects(kubectl) -> dict[str, bytes]:
    """The values in the cluster's Secret objects, bootstrap tokens among them."""
    return {
        f"{one['metadata']['name']}.{key}": base64.b64decode(value)
        for one in kubectl("get secrets -A -o json")["items"]
        for key, value in (one.get("data") or {}).items()
        if key in ("token-secret", "token", "tls.key") or len(base64.b64decode(value)) >= 20
    }


def test_the_output_of_a_run_at_vvv_holds_no_secret(playbook, kubectl, secrets):
    run = playbook("site.yml", "-vvv")
    assert run.rc == 0, run.output[-3000:]
    secrets = secrets | in_secret_objects(kubectl)
    assert len(secrets) > 12
    # The run must have looked at some of them for this to prove anything.
    assert "/etc/kubernetes" in run.output
    # A log has \n for a line's end in JSON, and YAML may fold it: compare without either.
    output = "".join(run.output.replace("\\n", "\n").split())
    leaked = [name for name, secret in secrets.items() for form in forms(secret) if "".join(form.split()) in output]
    assert sorted(set(leaked)) == []
    assert "PRIVATE KEY-----" not in run.output
