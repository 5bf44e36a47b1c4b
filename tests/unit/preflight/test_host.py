# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight's rules: one healthy site, and what each single fault in it makes of the report."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.findings import (
    CHECKS,
    ERROR,
    IGNORED,
    WARNING,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.inventory import check_group_variables
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.report import (
    evaluate,
    format_report,
    warning_lines,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.variables import (
    check_variable_names,
)

SETTINGS = {
    "pod_subnet": "10.244.0.0/16",
    "service_subnet": "10.96.0.0/16",
    "dns_domain": "cluster.local",
    "network_plugin": "flannel",
    "kubernetes_version": "1.36.3",
    "supported_versions": ["1.36.3", "1.35.4"],
    "api_endpoint": "",
    "missing_files": {},
    "group_names": {
        "cluster": "k8s_cluster",
        "control_plane": "kube_control_plane",
        "etcd": "etcd",
        "worker": "kube_node",
    },
}
GROUPS = {
    "cluster": ["cp1", "worker1", "worker2"],
    "control_plane": ["cp1"],
    "etcd": ["cp1"],
    "worker": ["worker1", "worker2"],
}
PORTS = [
    {"port": 2379, "role": "etcd", "owner": ["etcd"], "cgroup": "etcd.service"},
    {"port": 6443, "role": "control_plane", "owner": ["kube-apiserver"], "cgroup": "kubepods"},
    {"port": 10250, "role": "node", "owner": ["kubelet"], "cgroup": "kubelet.service"},
    {"port": 8472, "protocol": "udp", "role": "node", "owner": ["flannel.1"]},
]
FEATURES = ("overlay", "veth", "bridge", "br_netfilter", "nf_conntrack", "nf_tables", "vxlan")


def host(name, number, roles):
    address = f"192.0.2.{number}"
    return {
        "roles": roles,
        "settings": {
            "cgroup_v1_allowed": False,
            "etcd_fsync_p99_ms": 10,
            "kubernetes_version": "1.36.3",
            "max_clock_offset_seconds": 2,
            "min_cpus": {"control_plane": 2, "etcd": 1, "worker": 1},
            "min_disk_gb": {"/var/lib/containerd": 10},
            "min_memory_mb": {"control_plane": 1700, "etcd": 1000, "worker": 1000},
            "min_mtu": 1330,
            "mirror_url": "https://mirror1",
            "network_plugin": "flannel",
            "node_address": address,
            "node_name": name,
            "pod_subnet": "10.244.0.0/16",
            "ports": PORTS,
            "service_subnet": "10.96.0.0/16",
            "swap_allowed": False,
            "swap_disabled_by_role": True,
            "time_managed_by_role": False,
        },
        "facts": {
            "addresses": [
                {"interface": "lo", "address": "127.0.0.1", "prefix": 8, "mtu": 65536},
                {"interface": "eth0", "address": address, "prefix": 24, "mtu": 1500},
            ],
            "architecture": "x86_64",
            "cgroup_version": 2,
            "clock": {"start": 1000.2, "end": 1001.2},
            "container": False,
            "controller": {"before": 1000.0, "after": 1001.5},
            "cpus": 2,
            "disks": {"/var/lib/containerd": {"parent": "/var/lib", "free_gb": 40.0, "total_gb": 100.0}},
            "distribution": {
                "id": "rocky",
                "id_like": ["rhel", "centos", "fedora"],
                "version": "9.6",
                "name": "Rocky 9",
            },
            "dns": {"name": name, "addresses": [address], "error": ""},
            "effective_uid": 0,
            "fetch": {"url": "https://mirror1/files/x", "ok": True, "status": 200, "error": ""},
            "fsync": {"path": "/var/lib", "samples": 100, "p99_ms": 3.0},
            "hostname": name,
            "init": "systemd",
            "kernel": "5.14.0",
            "kernel_features": dict.fromkeys(FEATURES, True),
            "kubelet_version": "",
            "kubernetes": {"node": False, "applied": False, "authority": False, "etcd": False},
            "leftovers": [],
            "listeners": [],
            "machine_id": f"id-of-{name}",
            "memory_mb": 4000,
            "product_uuid": f"uuid-of-{name}",
            "python": [3, 9, 21],
            "routes": [
                {"destination": "0.0.0.0/0", "gateway": "192.0.2.254", "interface": "eth0"},
                {"destination": "192.0.2.0/24", "gateway": None, "interface": "eth0"},
            ],
            "swap_mb": 0,
            "time_sync": ["chronyd"],
        },
    }


@pytest.fixture
def site():
    return {
        "settings": copy.deepcopy(SETTINGS),
        "groups": copy.deepcopy(GROUPS),
        "hosts": {
            "cp1": host("cp1", 11, ["etcd", "control_plane"]),
            "worker1": host("worker1", 21, ["worker"]),
            "worker2": host("worker2", 22, ["worker"]),
        },
    }


def change(site, path, value):
    """Set site[a][b][c] for the path a.b.c (a slash where a key has dots of its own)."""
    *parents, last = path.split("|")
    for key in parents:
        site = site[key]
    site[last] = value


def findings(site, ignore=()):
    return evaluate(site["settings"], site["groups"], site["hosts"], ignore)


def brief(site):
    return sorted((f.host, f.check, f.severity) for f in findings(site))


def test_healthy_site_has_no_findings(site):
    assert findings(site) == []


# (id of the check, path, value, host, severity, text in what was found)
FAULTS = [
    ("rack", "hosts|worker1|settings|rack", "Rack A", "worker1", ERROR, "'Rack A'"),
    ("rack", "hosts|worker1|settings|rack", "dc1: r1", "worker1", ERROR, "dc1: r1"),
    ("rack", "hosts|worker1|settings|rack", "dc1/r1", "worker1", ERROR, "dc1/r1"),
    ("rack", "hosts|worker1|settings|rack", "a" * 64, "worker1", ERROR, "a" * 64),
    ("rack", "hosts|worker1|settings|rack", "-a", "worker1", ERROR, "-a"),
    ("rack", "hosts|worker1|settings|rack", True, "worker1", ERROR, "True"),
    ("groups", "groups|etcd", [], "inventory", ERROR, "none"),
    ("groups", "groups|cluster", ["cp1", "worker1"], "inventory", ERROR, "worker2"),
    ("groups", "groups|worker", ["worker1"], "inventory", ERROR, "neither: worker2"),
    ("etcd_members", "groups|etcd", ["cp1", "worker1"], "inventory", ERROR, "2 (cp1, worker1)"),
    ("etcd_members", "groups|etcd", [f"e{n}" for n in range(9)], "inventory", ERROR, "9"),
    ("api_endpoint", "groups|control_plane", ["cp1", "worker1", "worker2"], "inventory", ERROR, "empty"),
    ("api_endpoint", "settings|api_endpoint", "https://api:6443", "inventory", ERROR, "https://api:6443"),
    ("api_endpoint", "settings|api_endpoint", "api.example.org", "inventory", ERROR, "api.example.org"),
    ("subnets", "settings|service_subnet", "10.244.128.0/20", "inventory", ERROR, "10.244.128.0/20"),
    ("subnets", "settings|pod_subnet", "10.244.0.1/16", "inventory", ERROR, "10.244.0.1/16"),
    ("subnets", "settings|pod_subnet", "10.244.0.0", "inventory", ERROR, "10.244.0.0"),
    ("subnets", "settings|pod_subnet", "pods", "inventory", ERROR, "pods"),
    ("subnets", "settings|pod_subnet", "10.244.0.0/23", "inventory", ERROR, "holds 2"),
    ("subnets", "settings|service_subnet", "10.96.0.0/30", "inventory", ERROR, "10.96.0.0/30"),
    ("subnets", "settings|service_subnet", "11.0.0.0/8", "inventory", ERROR, "11.0.0.0/8"),
    ("network_plugin", "settings|network_plugin", "calico", "inventory", ERROR, "calico"),
    ("kubernetes_version", "settings|kubernetes_version", "1.34.1", "inventory", ERROR, "1.34.1"),
    ("dns_domain", "settings|dns_domain", "Cluster_local", "inventory", ERROR, "Cluster_local"),
    ("dns_domain", "settings|dns_domain", "", "inventory", ERROR, "nothing"),
    ("controller_files", "settings|missing_files", {"cluster_mirror_ca_file": "/ca"}, "inventory", ERROR, "/ca"),
    ("unreachable", "hosts|worker1|facts", None, "worker1", WARNING, "could not be reached"),
    ("privileges", "hosts|worker1|facts|effective_uid", 1000, "worker1", ERROR, "1000"),
    ("python", "hosts|worker1|facts|python", [3, 8, 1], "worker1", ERROR, "3.8.1"),
    ("systemd", "hosts|worker1|facts|init", "runit", "worker1", ERROR, "runit"),
    ("cpus", "hosts|cp1|facts|cpus", 1, "cp1", ERROR, "1"),
    ("memory", "hosts|worker2|facts|memory_mb", 512, "worker2", ERROR, "512 MB"),
    (
        "disk",
        "hosts|cp1|facts|disks|/var/lib/containerd",
        {"parent": "/var", "free_gb": 3.0, "total_gb": 9.0},
        "cp1",
        ERROR,
        "3.0 GB of 9.0 GB on the file system of /var",
    ),
    (
        "etcd_fsync",
        "hosts|cp1|facts|fsync",
        {"path": "/var/lib", "samples": 70, "p99_ms": 40.5},
        "cp1",
        WARNING,
        "40.5 ms",
    ),
    ("etcd_fsync", "hosts|cp1|facts|fsync", {"path": "/", "error": "Read-only file system"}, "cp1", ERROR, "Read-only"),
    ("swap", "hosts|worker1|facts|swap_mb", 2048, "worker1", WARNING, "2048 MB"),
    ("clock", "hosts|worker1|facts|clock", {"start": 1010.0, "end": 1011.0}, "worker1", ERROR, "9.5 s ahead"),
    ("clock", "hosts|worker1|facts|clock", {"start": 990.0, "end": 991.0}, "worker1", ERROR, "10.0 s behind"),
    ("time_sync", "hosts|worker1|facts|time_sync", [], "worker1", WARNING, "none"),
    ("hostname_differs", "hosts|worker1|facts|hostname", "localhost", "worker1", WARNING, "localhost"),
    ("hostname", "hosts|worker1|settings|node_name", "worker_1", "worker1", ERROR, "worker_1"),
    ("node_address", "hosts|worker1|settings|node_address", "192.0.2.77", "worker1", ERROR, "192.0.2.21"),
    ("node_address", "hosts|worker1|settings|node_address", "", "worker1", ERROR, "nothing"),
    ("node_address", "hosts|worker1|settings|node_address", "127.0.0.1", "worker1", ERROR, "127.0.0.1: an address by"),
    ("node_address", "hosts|worker1|settings|node_address", "169.254.7.1", "worker1", ERROR, "on one link alone"),
    ("node_address", "hosts|worker1|settings|node_address", "2001:db8::1", "worker1", ERROR, "2001:db8::1"),
    ("kernel", "hosts|worker1|facts|kernel_features|vxlan", False, "worker1", ERROR, "vxlan"),
    ("cgroup", "hosts|worker1|facts|cgroup_version", 1, "worker1", ERROR, "version 1"),
    (
        "dns",
        "hosts|worker1|facts|dns",
        {"name": "worker1", "addresses": [], "error": "no answer within 5 s"},
        "worker1",
        WARNING,
        "no answer within 5 s",
    ),
    (
        "artifacts",
        "hosts|worker1|facts|fetch",
        {"url": "https://mirror1/x", "ok": False, "status": None, "error": "Connection refused"},
        "worker1",
        ERROR,
        "Connection refused",
    ),
    ("leftovers", "hosts|worker1|facts|leftovers", [{"name": "k3s", "path": "/k3s"}], "worker1", WARNING, "k3s: /k3s"),
]


@pytest.mark.parametrize(
    ("check", "path", "value", "where", "severity", "text"), FAULTS, ids=[f"{f[0]}-{n}" for n, f in enumerate(FAULTS)]
)
def test_one_fault_is_one_finding(site, check, path, value, where, severity, text):
    change(site, path, value)
    found = [finding for finding in findings(site) if finding.check == check]
    assert [(finding.host, finding.severity) for finding in found] == [(where, severity)]
    assert text in found[0].found
    assert found[0].expected
    assert found[0].remedy
    # hostname and hostname_differs look at the same name, any other fault is found once
    assert {finding.check for finding in findings(site)} - {check} <= {"hostname_differs", "groups"}


@pytest.mark.parametrize(
    ("check", "path", "value"),
    [
        ("hostname_duplicate", "facts|hostname", "worker1"),
        ("machine_id", "facts|machine_id", "id-of-worker1"),
        ("product_uuid", "facts|product_uuid", "uuid-of-worker1"),
        ("address_duplicate", "settings|node_address", "192.0.2.21"),
    ],
)
def test_duplicates_are_found_on_each_host(site, check, path, value):
    change(site, f"hosts|worker2|{path}", value)
    found = [finding for finding in findings(site) if finding.check == check]
    assert [(finding.host, finding.severity) for finding in found] == [
        ("worker1", CHECKS[check]),
        ("worker2", CHECKS[check]),
    ]
    assert "worker2" in found[0].found


@pytest.mark.parametrize(
    ("distribution", "supported"),
    [
        ({"id": "rhel", "id_like": ["fedora"], "version": "9.4"}, True),
        ({"id": "rhel", "id_like": ["fedora"], "version": "10.0"}, True),
        ({"id": "centos", "id_like": ["rhel", "fedora"], "version": "8"}, False),
        ({"id": "fedora", "id_like": [], "version": "43"}, True),
        ({"id": "debian", "id_like": [], "version": "12"}, True),
        ({"id": "debian", "id_like": [], "version": "11"}, False),
        ({"id": "debian", "id_like": [], "version": ""}, True),
        ({"id": "ubuntu", "id_like": ["debian"], "version": "24.04"}, True),
        ({"id": "ubuntu", "id_like": ["debian"], "version": "20.04"}, False),
        ({"id": "alpine", "id_like": [], "version": "3.22"}, False),
        ({}, False),
    ],
)
def test_operating_systems(site, distribution, supported):
    site["hosts"]["worker1"]["facts"]["distribution"] = distribution
    assert brief(site) == ([] if supported else [("worker1", "os", ERROR)])


def listener(process, port, protocol="tcp", cgroup="", unit=""):
    pid = 42 if protocol == "tcp" else None
    return {"port": port, "protocol": protocol, "process": process, "pid": pid, "cgroup": cgroup, "unit": unit}


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [
        ("cp1", listener("etcd", 2379, cgroup="/system.slice/etcd.service"), True),
        ("cp1", listener("etcd", 2379, cgroup="/kubepods/besteffort/pod1/x"), False),
        ("cp1", listener("etcd", 2379), True),
        ("cp1", listener("kube-apiserver", 6443, cgroup="/kubepods.slice/x.scope"), True),
        ("cp1", listener("nginx", 6443, cgroup="/system.slice/nginx.service", unit="nginx.service"), False),
        ("worker1", listener("nginx", 6443), True),
        ("worker1", listener("kubelet", 10250, cgroup="/system.slice/kubelet.service"), True),
        ("worker1", listener("k3s-server", 10250), False),
        ("worker1", listener("flannel.1", 8472, "udp"), True),
        ("worker1", listener("vx0", 8472, "udp"), False),
        ("worker1", listener("nginx", 8472), True),
    ],
)
def test_ports(site, name, taken, free):
    site["hosts"][name]["facts"]["listeners"] = [taken]
    assert brief(site) == ([] if free else [(name, "port", ERROR)])


def test_a_taken_port_names_process_and_service(site):
    site["hosts"]["cp1"]["facts"]["listeners"] = [listener("nginx", 6443, unit="nginx.service")]
    (finding,) = findings(site)
    assert finding.expected == "port 6443/tcp to be free for kube-apiserver"
    assert finding.found == "taken by nginx (process 42), unit nginx.service"
    assert finding.remedy == "stop the service nginx.service or move it to another port"


@pytest.mark.parametrize(
    ("address", "route", "clash"),
    [
        ({"interface": "eth1", "address": "10.244.3.4", "prefix": 24, "mtu": 1500}, None, "10.244.3.0/24 on eth1"),
        ({"interface": "eth1", "address": "10.97.0.1", "prefix": 24, "mtu": 1500}, None, None),
        (None, {"destination": "10.0.0.0/8", "gateway": "192.0.2.254", "interface": "eth0"}, "10.0.0.0/8 on eth0"),
        # the cluster's own, on a second run
        ({"interface": "flannel.1", "address": "10.244.1.0", "prefix": 32, "mtu": 1450}, None, None),
        ({"interface": "cni0", "address": "10.244.1.1", "prefix": 24, "mtu": 1450}, None, None),
        (None, {"destination": "10.244.0.0/24", "gateway": "10.244.0.0", "interface": "flannel.1"}, None),
        (None, {"destination": "10.244.0.0/24", "gateway": "192.0.2.11", "interface": "eth0"}, None),
    ],
)
def test_networks_of_the_host(site, address, route, clash):
    facts = site["hosts"]["worker1"]["facts"]
    facts["addresses"] += [address] if address else []
    facts["routes"] += [route] if route else []
    found = findings(site)
    assert {(finding.host, finding.check) for finding in found} == ({("worker1", "host_networks")} if clash else set())
    assert all(clash in finding.found for finding in found)


def test_mtu_too_small_and_unequal(site):
    site["hosts"]["worker2"]["facts"]["addresses"][1]["mtu"] = 1300
    assert brief(site) == [("worker2", "mtu", ERROR), ("worker2", "mtu_differs", WARNING)]


def test_mixed_architectures(site):
    site["hosts"]["worker2"]["facts"]["architecture"] = "aarch64"
    (finding,) = findings(site)
    assert finding.check == "architecture"
    assert finding.found == "aarch64: worker2; x86_64: cp1, worker1"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"swap_allowed": True}, []),
        ({"swap_disabled_by_role": False}, [("worker1", "swap", ERROR)]),
    ],
)
def test_swap_depends_on_what_the_run_does_with_it(site, settings, expected):
    site["hosts"]["worker1"]["facts"]["swap_mb"] = 100
    site["hosts"]["worker1"]["settings"].update(settings)
    assert brief(site) == expected


def test_cgroup_v1_is_accepted_where_kubelet_accepts_it(site):
    site["hosts"]["worker1"]["facts"]["cgroup_version"] = 1
    site["hosts"]["worker1"]["settings"]["cgroup_v1_allowed"] = True
    assert findings(site) == []


def test_what_could_not_be_found_out_is_no_finding(site):
    facts = site["hosts"]["worker1"]["facts"]
    facts.update(kernel_features=dict.fromkeys(FEATURES), addresses=None, fsync=None, dns=None, fetch=None)
    assert findings(site) == []


def test_a_wide_round_trip_is_no_clock_offset(site):
    # The probe took 30 s to start: the host's clock may be right.
    site["hosts"]["worker1"]["facts"]["clock"] = {"start": 1029.0, "end": 1030.0}
    site["hosts"]["worker1"]["facts"]["controller"] = {"before": 1000.0, "after": 1031.0}
    assert findings(site) == []


def test_the_next_minor_release_is_no_jump(site):
    site["hosts"]["worker1"]["facts"]["kubelet_version"] = "v1.35.4"
    assert findings(site) == []


def test_a_mirror_without_an_unsupported_release_is_said_once(site):
    site["settings"]["kubernetes_version"] = "1.34.1"
    for each in site["hosts"].values():
        each["facts"]["fetch"] = {"url": "https://mirror1/x", "ok": False, "status": 404, "error": "HTTP status 404"}
    assert brief(site) == [("inventory", "kubernetes_version", ERROR)]


def test_a_host_that_answers_but_cannot_be_examined_is_an_error(site):
    site["hosts"]["worker1"] = {
        "roles": [],
        "facts": None,
        "settings": {},
        "severity": ERROR,
        "reason": "Missing sudo password",
    }
    (finding,) = findings(site)
    assert (finding.host, finding.severity, finding.found) == ("worker1", ERROR, "Missing sudo password")


def test_all_findings_come_at_once(site):
    site["groups"]["etcd"] = ["cp1", "worker1"]
    site["settings"]["network_plugin"] = "calico"
    site["hosts"]["worker1"]["facts"]["memory_mb"] = 1
    site["hosts"]["worker2"]["facts"]["memory_mb"] = 1
    assert [finding.check for finding in findings(site)] == ["etcd_members", "network_plugin", "memory", "memory"]
    report = format_report(findings(site), 3)
    assert report.startswith("preflight of 3 hosts: 4 errors, 0 warnings. Nothing was changed.\n\ninventory\n")
    assert "\nworker1, worker2\n  ERROR memory\n    expected: at least 1000 MB of memory (worker)\n" in report


def test_ignored_findings_are_named_but_do_not_count(site):
    site["hosts"]["worker1"]["facts"]["memory_mb"] = 1
    (finding,) = findings(site, ["memory"])
    assert finding.severity == IGNORED
    report = format_report([finding], 3)
    assert "0 errors" in report
    assert report.endswith("ignored (preflight_ignore)\n  memory: worker1")


def test_a_misspelt_id_in_ignore_is_an_error(site):
    (finding,) = findings(site, ["memroy"])
    assert (finding.severity, finding.remedy) == (ERROR, "did you mean memory?")


def test_warnings_of_many_hosts_are_one_line(site):
    for each in site["hosts"].values():
        each["facts"]["time_sync"] = []
    (line,) = warning_lines(findings(site))
    assert line.startswith("preflight: cp1, worker1, worker2: time_sync: expected ")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("cluster_pod_subnt", "did you mean cluster_pod_subnet?"),
        ("hazelcast_replica", "did you mean hazelcast_replicas?"),
        ("hazlecast_replicas", "did you mean hazelcast_replicas?"),
        ("cluster_zzz", "remove or rename it"),
        ("lab_name", None),
        ("cluster_pod_subnet", None),
        ("cluster_site_floor", None),
        ("__cluster_internal", None),
        ("ansible_host", None),
    ],
)
def test_variable_names(name, suggestion):
    found = check_variable_names(
        [(name, "group_vars/all.yml:3")],
        {"cluster_pod_subnet", "cluster_name", "hazelcast_replicas"},
        ["cluster", "hazelcast"],
        ["cluster_site_*"],
    )
    assert [finding.check for finding in found] == (["variable_unknown"] if suggestion else [])
    for finding in found:
        assert suggestion in finding.remedy
        assert finding.found == f"{name} (group_vars/all.yml:3)"


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ([], []),
        ([("cluster_etcd_group", "etcd", "group all")], []),
        ([("cluster_etcd_group", "db", "group all")], ["db (group all)"]),
        ([("cluster_etcd_group", "db", "group all"), ("cluster_etcd_group", "db", "extra variable")], []),
        ([("cluster_etcd_group", "db", "play"), ("cluster_etcd_group", "db", "group all")], []),
        ([("cluster_etcd_group", "db", "host a"), ("cluster_etcd_group", "kv", "extra variable")], []),
        ([("cluster_etcd_group", 7, "group a"), ("cluster_etcd_group", 7, "group a")], ["7 (group a)"]),
        ([("cluster_name", "db", "group all")], []),
    ],
)
def test_names_of_groups_are_known_before_the_inventorys_variables(variables, found):
    assert [finding.found for finding in check_group_variables(variables)] == found
    for finding in check_group_variables(variables):
        assert finding.remedy.startswith("run with -e cluster_etcd_group=")
        assert finding.remedy.endswith(", or call the group etcd")


def test_an_address_of_kubesprays_ip_is_named_so(site):
    site["hosts"]["worker1"]["settings"].update(node_address="10.3.0.4", node_address_variable="ip")
    (finding,) = findings(site)
    assert finding.expected == "ip to be an address of the host"
    assert finding.remedy == "correct ip, or give the host that address"


@pytest.mark.parametrize(
    ("subnets", "firewalld", "shut"),
    [
        (["192.0.2.0/24"], True, ""),
        (["192.0.2.0/28", "192.0.2.16/28"], True, ""),
        # The default of a host whose network is smaller than the site.
        (["192.0.2.16/28"], True, "192.0.2.16/28, without cp1 (192.0.2.11)"),
        (["192.0.2.16/28"], False, ""),
        # Written wrong, which is said of the variable, and a single address.
        (["192.0.2.11/24"], True, ""),
        (["192.0.2.11", "192.0.2.21", "192.0.2.22"], True, ""),
        # The site opens ports by other means.
        ([], True, ""),
    ],
)
def test_firewalls_open_to_all_nodes(site, subnets, firewalld, shut):
    site["hosts"]["worker1"]["facts"]["firewalld"] = firewalld
    site["hosts"]["worker1"]["settings"]["node_subnets"] = subnets
    assert [finding.found for finding in findings(site)] == ([shut] if shut else [])


def test_firewalls_open_to_nodes_that_the_run_leaves_out(site):
    for group in ("cluster", "worker"):
        site["groups"][group] = [*site["groups"][group], "worker9"]
    site["hosts"]["worker1"]["facts"]["firewalld"] = True
    site["hosts"]["worker1"]["settings"]["node_subnets"] = ["192.0.2.0/24"]
    # A host of etcd alone is no node; one without an address is not known.
    elsewhere = {"worker9": "198.51.100.9", "etcd9": "198.51.100.10", "worker8": ""}
    (finding,) = evaluate(site["settings"], site["groups"], site["hosts"], elsewhere=elsewhere)
    assert (finding.host, finding.check) == ("worker1", "node_subnets")
    assert finding.found == "192.0.2.0/24, without worker9 (198.51.100.9)"


def test_the_address_of_a_member_of_etcd_stays(site):
    facts = site["hosts"]["cp1"]["facts"]
    facts["addresses"].append({"interface": "eth1", "address": "10.3.0.1", "prefix": 24, "mtu": 1500})
    facts["member_address"] = "192.0.2.11"
    assert findings(site) == []
    site["hosts"]["cp1"]["settings"].update(node_address="10.3.0.1", node_address_variable="ip")
    (finding,) = findings(site)
    assert finding.found == "10.3.0.1; the member has 192.0.2.11"
    assert finding.remedy == "set cluster_node_address to 192.0.2.11: this playbook does not move a member"


def test_the_remedy_is_where_the_nodes_name_is_from(site):
    site["hosts"]["worker1"]["settings"]["node_name"] = "Worker_1"
    assert "correct cluster_node_name" in [finding.remedy for finding in findings(site)]


def test_two_hosts_are_not_one_node(site):
    site["hosts"]["worker2"]["settings"]["node_name"] = "worker1"
    site["hosts"]["worker2"]["facts"]["hostname"] = "worker1.site"
    found = [(finding.host, finding.check, finding.found) for finding in findings(site)]
    assert found == [
        ("worker1", "hostname_duplicate", "worker1, as for worker2"),
        ("worker2", "hostname_duplicate", "worker1, as for worker1"),
    ]


def test_addresses_of_hosts_outside_of_the_run_are_taken(site):
    elsewhere = {"worker3": "192.0.2.21", "worker4": "192.0.2.22", "worker5": "", "worker6": ""}
    found = evaluate(site["settings"], site["groups"], site["hosts"], elsewhere=elsewhere)
    assert [(finding.host, finding.check, finding.found) for finding in found] == [
        ("worker1", "address_duplicate", "192.0.2.21, as for worker3"),
        ("worker2", "address_duplicate", "192.0.2.22, as for worker4"),
    ]


def test_a_hundred_hosts_take_no_time(site):
    site["hosts"] = {f"w{n}": host(f"w{n}", n, ["worker"]) for n in range(1, 101)}
    site["groups"]["worker"] = list(site["hosts"])
    site["groups"]["cluster"] = ["cp1", *site["hosts"]]
    assert findings(site) == []
