# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and texts of an inventory in the files that the platform's roles write, as those read them who run by them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.baremetal.bigdata.plugins.filter.join_configuration import join_configuration
from ansible_collections.baremetal.bigdata.plugins.filter.node_addresses import node_addresses
from ansible_collections.baremetal.bigdata.plugins.filter.yaml_document import yaml_document
from ansible_collections.baremetal.bigdata.plugins.filter.yaml_scalar import yaml_scalar
from hypothesis import example, given
from hypothesis import strategies as st

FILTERS = {"node_addresses": node_addresses, "yaml_document": yaml_document, "yaml_scalar": yaml_scalar}
ROLES = Path(__file__).resolve().parents[2] / "roles"
# Good names of hosts and racks, and of clusters, which YAML takes for something else.
NAMES = ["10", "007", "1e3", "0x1f", "0o17", "1_0", "on", "null", "y", "no", "cp1", "12.5"]
CLUSTERS = [*NAMES, "prod: eu", "a, b", "kubernetes"]


# gopkg.in/yaml.v2, resolve.go: each word in three ways.
GO_KNOWS = (
    {
        form
        for word in ("", "~", "null", "y", "n", "yes", "no", "on", "off", "true", "false")
        for form in (word, word.capitalize(), word.upper())
    }
    | {f"{sign}.{word}" for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")}
    | {".nan", ".NaN", ".NAN", "<<"}
)


def go_takes_for_a_text(written: str) -> bool:
    """Whether a plain scalar is a text for gopkg.in/yaml.v2, which kubeadm, kubelet and kubectl read by."""
    if written in GO_KNOWS:
        return False
    # It looks for numbers only where the first character may begin one.
    if written[0] not in "+-.0123456789":
        return True
    plain = written.replace("_", "")
    for base in (0, 8, 10):
        try:
            int(plain, base)
        except ValueError:
            continue
        return False
    return not re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", plain)


def texts(document: str) -> dict[str, set[str]]:
    """By name of a field, the texts that a YAML text has there for Go."""
    found: dict[str, set[str]] = {}

    def walk(node: yaml.Node, name: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                walk(value, key.value)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                walk(item, name)
        elif node.style or go_takes_for_a_text(node.value):
            found.setdefault(name, set()).add(node.value)

    for node in yaml.compose_all(document, Loader=yaml.SafeLoader):
        walk(node, "")
    return found


def rendered(path: str, **variables: Any) -> str:
    """A role's template, as the action plugin config_files has it."""
    templar = Templar(loader=DataLoader(), variables={"ansible_managed": "managed", **variables})
    for name, function in FILTERS.items():
        templar.environment.filters[f"baremetal.bigdata.{name}"] = function
    return templar.template(
        trust_as_template((ROLES / path).read_text()), escape_backslashes=False, overrides={"trim_blocks": True}
    )


def kubeadm(**variables: Any) -> str:
    plain: dict[str, Any] = {
        "inventory_hostname": "cp1",
        "groups": {"kube_node": []},
        "hostvars": {"cp1": {"cluster_node_address": "192.0.2.11"}},
        "cluster_worker_group": "kube_node",
        "cluster_node_address": "192.0.2.11",
        "cluster_node_name": "cp1",
        "cluster_rack": "",
        "cluster_name": "kubernetes",
        "cluster_kubernetes_version": "1.36.0",
        "__cluster_endpoint": "192.0.2.11:6443",
        "cluster_dns_domain": "cluster.local",
        "cluster_pod_subnet": "10.244.0.0/16",
        "cluster_service_subnet": "10.96.0.0/16",
        "control_plane_schedulable": False,
        "control_plane_start_timeout_seconds": 240,
        "control_plane_certificate_days": 365,
        "control_plane_ca_certificate_days": 3650,
        "control_plane_certificate_sans": [],
        "__control_plane_etcd_hosts": ["cp1"],
        "__cluster_kubelet_config": {"kind": "KubeletConfiguration"},
        "__control_plane_kube_proxy_config": {"kind": "KubeProxyConfiguration"},
    }
    plain |= {name: {} for name in ("cluster_kubelet_config", "cluster_kube_proxy_config")}
    arguments = ("api_server", "controller_manager", "scheduler")
    plain |= {name: {} for name in (f"control_plane_{name}_args" for name in arguments)}
    return rendered("control_plane/templates/kubeadm.yaml.j2", **{**plain, **variables})


@pytest.mark.parametrize("name", NAMES)
def test_hosts_and_racks_keep_their_names_in_kubeadms_files(name):
    own = texts(kubeadm(cluster_node_name=name, cluster_rack=name, control_plane_certificate_sans=[name]))
    assert name in own["name"]
    assert own["certSANs"] == {name}
    assert f"topology.kubernetes.io/zone={name}" in own["value"]

    variables = {
        "cluster_kubernetes_version": "1.36.0",
        "__etcd_pki_dir": "/etc/pki",
        "cluster_node_address": "192.0.2.1",
    }
    # By its name in the inventory, which no grammar holds, kubeadm would refuse the host.
    etcd = rendered(
        "etcd/templates/kubeadm-etcd.yaml.j2", inventory_hostname="CP_1", cluster_node_name=name, **variables
    )
    assert texts(etcd)["name"] == {name}
    assert texts(etcd)["serverCertSANs"] == {name, "192.0.2.1"}

    command = "kubeadm join x --token a.b --discovery-token-ca-cert-hash sha256:1"
    joined = yaml_document(join_configuration(command, "x:1", name, "192.0.2.1", name, certificate_key="1e3"))
    assert name in texts(joined)["name"]
    assert texts(joined)["certificateKey"] == {"1e3"}


@pytest.mark.parametrize("rack", [7, 0, "7"])
def test_a_number_is_a_rack(rack):
    assert f"topology.kubernetes.io/zone={rack}" in texts(kubeadm(cluster_rack=rack))["value"]


@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_keep_their_names_in_kubeadms_files(name):
    assert texts(kubeadm(cluster_name=name))["clusterName"] == {name}


def test_texts_of_kubelets_settings_stay_texts():
    own = kubeadm(cluster_kubelet_config={"staticPodURL": "1e3", "evictionHard": {"a": "0o17"}, "maxPods": 10})
    assert (texts(own)["staticPodURL"], texts(own)["a"], "maxPods" in texts(own)) == ({"1e3"}, {"0o17"}, False)


@example("0_x1f")
@example("-_1")
@example("1e_+5")
@given(st.one_of(st.text(), st.from_regex(r"[-+.:0-9a-fxoTZyYnN_]{1,10}", fullmatch=True)))
def test_a_document_for_kubernetes_has_the_texts_that_it_is_made_of(text):
    written = yaml_document({"text": text})
    assert yaml.safe_load(written) == {"text": text}
    assert texts(written) == {"text": {text}}


def systemd_words(line: str) -> list[str]:
    """A command or an assignment as systemd reads it, which knows these specifiers and variables."""
    words = shlex.split(line, posix=True)
    assert not any(re.search(r"%(?!%)|\$(?!\$)", re.sub(r"%%|\$\$", "", word)) for word in words)
    return [word.replace("%%", "%").replace("$$", "$") for word in words]


PASSWORD = 'http://me:a%40b"c\\d@proxy.example:3128'


def test_a_proxys_password_arrives():
    unit = rendered(
        "containerd/templates/containerd.service.j2",
        containerd_proxy_environment={"HTTPS_PROXY": PASSWORD, "NO_PROXY": "10.0.0.0/8,.example"},
        containerd_restrict_oom_score_adj=False,
    )
    lines = [line.partition("=")[2] for line in unit.splitlines() if line.startswith("Environment=")]
    assert [systemd_words(line) for line in lines] == [[f"HTTPS_PROXY={PASSWORD}"], ["NO_PROXY=10.0.0.0/8,.example"]]


def test_kubelets_arguments_arrive():
    given_arguments = {"v": "4", "a": "b c", "d": 'x"y', "e": "50%", "f": "$HOME", "g": "n%i\\t"}
    unit = rendered("kubelet/templates/kubelet.service.j2", kubelet_extra_args=given_arguments)
    found = [line.removesuffix("\\").strip() for line in unit.splitlines() if re.match(r'    "?--[a-g v]=', line)]
    assert [systemd_words(line) for line in found] == [
        [f"--{key}={value}"] for key, value in sorted(given_arguments.items())
    ]
    assert "    --v=4 \\" in unit.splitlines()
