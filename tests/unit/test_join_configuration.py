# SPDX-License-Identifier: GPL-3.0-or-later
"""kubeadm's join command as a JoinConfiguration."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.bigdata.plugins.filter.join_configuration import join_configuration

COMMAND = (
    "kubeadm join 203.0.113.11:6443 --token abcdef.0123456789abcdef "
    "--discovery-token-ca-cert-hash sha256:11 --discovery-token-ca-cert-hash sha256:22 \n"
)
HOST = {"endpoint": "api.example:6443", "node_name": "worker1", "node_address": "203.0.113.21"}


def test_a_worker():
    assert join_configuration(COMMAND, **HOST) == {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": "api.example:6443",
                "token": "abcdef.0123456789abcdef",
                "caCertHashes": ["sha256:11", "sha256:22"],
            }
        },
        "nodeRegistration": {
            "name": "worker1",
            "criSocket": "unix:///run/containerd/containerd.sock",
            "imagePullPolicy": "IfNotPresent",
            "kubeletExtraArgs": [{"name": "node-ip", "value": "203.0.113.21"}],
        },
    }


def test_a_worker_in_a_rack_with_a_time_limit():
    document = join_configuration(COMMAND, **HOST, rack="rack-b", tls_bootstrap_seconds=180)
    assert document["nodeRegistration"]["kubeletExtraArgs"][1] == {
        "name": "node-labels",
        "value": "topology.kubernetes.io/zone=rack-b",
    }
    assert document["timeouts"] == {"tlsBootstrap": "180s"}


def test_a_control_plane_host():
    document = join_configuration(COMMAND, **HOST, certificate_key="00ff")
    assert document["controlPlane"] == {
        "localAPIEndpoint": {"advertiseAddress": "203.0.113.21"},
        "certificateKey": "00ff",
    }


@pytest.mark.parametrize(
    "output", ["", "kubeadm join x --token secret.token", "--discovery-token-ca-cert-hash sha256:11"]
)
def test_other_output_is_refused_without_showing_it(output):
    with pytest.raises(AnsibleFilterError, match=r"worker1: expected kubeadm's join command") as refused:
        join_configuration(output, **HOST)
    assert "secret.token" not in str(refused.value)
