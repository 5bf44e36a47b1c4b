#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_probe
short_description: Look at a host before a cluster is made of it
description:
  - Collects in one call what the preflight judges of a host. It judges nothing itself and changes nothing.
  - Writes one temporary file, where O(fsync_path) is given, to time writes that reach the disk, and removes it.
    It does so in check mode too.
  - Runs as an action plugin that also notes the controller's clock before and after, so that clocks can be compared.
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
options:
  settings:
    description:
      - Settings that hold for this host. Returned as they are, so that whoever judges all hosts together knows
        each host's own.
    type: dict
    default: {}
  roles:
    description: What the host is to be, out of V(etcd), V(control_plane) and V(worker). Returned as it is.
    type: list
    elements: str
    default: []
  ports:
    description: Ports for which to say who listens there.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: Its number.
        type: int
        required: true
      protocol:
        description: Its protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
  paths:
    description: Directories for which to say how much space is free, or their nearest parents that exist.
    type: list
    elements: str
    default: []
  fsync_path:
    description:
      - Directory (or its nearest parent) on whose disk to time 2,300-byte writes with fdatasync, as etcd does them.
      - Empty, or a directory that already holds an etcd member, is not measured.
    type: str
    default: ""
  etcd_dir:
    description: Directory of etcd's data, on a host that is to have a member. Empty on others.
    type: path
    default: ""
  resolve:
    description: Name to resolve on the host. Empty resolves none.
    type: str
    default: ""
  url:
    description: URL to ask for with HEAD from the host. Empty asks for none.
    type: str
    default: ""
  ca:
    description: Certificate of the authority that signed the server's (PEM). Empty takes the host's trust store.
    type: str
    default: ""
  timeout:
    description: How long the name and the URL may each take, in seconds.
    type: float
    default: 5
attributes:
  check_mode:
    description: Does in check mode what it does otherwise.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Look at the hosts
  baremetal.bigdata.preflight_probe:
    roles: [worker]
    paths: [/var/lib/containerd]
    ports:
      - port: 10250
  register: probe
  check_mode: false
"""

RETURN = r"""
facts:
  description: What was found. A value that could not be found out is null or absent.
  returned: always
  type: dict
  contains:
    addresses: {description: "Addresses: interface, address, prefix, mtu.", type: list, elements: dict}
    architecture: {description: Machine name of the kernel., type: str}
    cgroup_version: {description: 1 or 2., type: int}
    clock: {description: "Seconds since the epoch at the probe's start and end, by the host's clock.", type: dict}
    container: {description: Whether the host is a container that shares its host's clock., type: bool}
    controller: {description: "Seconds since the epoch before and after, by the controller's clock.", type: dict}
    cpus: {description: CPUs online., type: int}
    disks: {description: "Path to free_gb and total_gb, and parent: the directory measured.", type: dict}
    distribution: {description: "id, id_like, version and name of /etc/os-release.", type: dict}
    dns: {description: "The name asked for, its addresses, or an error.", type: dict}
    effective_uid: {description: User id of the probe., type: int}
    etcd_clients:
      description: Addresses that the host's firewall lets reach etcd. Null where it has no policy for that.
      type: list
      elements: str
    fetch: {description: "The URL asked for, ok, status, or an error.", type: dict}
    firewalld: {description: Whether firewalld runs., type: bool}
    fsync: {description: "p99_ms, samples and path, or an error.", type: dict}
    hostname: {description: The kernel's host name., type: str}
    init: {description: Name of process 1., type: str}
    kernel: {description: Release of the kernel., type: str}
    kernel_features: {description: "Feature to true, false, or null where it could not be found out.", type: dict}
    kubelet_version: {description: Version of an installed kubelet., type: str}
    kubernetes:
      description: What tells of a cluster on the host. V(node), kubelet's kubeconfig; V(applied), a control plane that
        was whole once; V(authority), the key of the cluster's authority; V(etcd), data of a member.
      type: dict
    leftovers: {description: "Other Kubernetes distributions: name and path.", type: list, elements: dict}
    listeners:
      description: "Sockets on the ports asked for: port, protocol, process, pid, cgroup, unit."
      type: list
      elements: dict
    machine_id: {description: Content of /etc/machine-id., type: str}
    member_address: {description: Address of the etcd member on the host., type: str}
    memory_mb: {description: Memory in MB., type: int}
    pod_network: {description: Whether the pod network has configured the host., type: bool}
    prepared:
      description: The tags of the cluster's playbook whose steps have prepared the host. Told by V(host), that its
        kernel forwards packets; by V(containerd) and V(kubelet), their units; by V(network), a policy of firewalld.
      type: list
      elements: str
    product_uuid: {description: The hardware's id., type: str}
    python: {description: "Python's version: major, minor, micro.", type: list, elements: int}
    routes: {description: "IPv4 routes: destination, gateway, interface.", type: list, elements: dict}
    selinux: {description: "enforcing, permissive or disabled.", type: str}
    swap_mb: {description: Swap space in MB., type: int}
    time_sync: {description: Names of running time services., type: list, elements: str}
roles:
  description: As given.
  returned: always
  type: list
  elements: str
settings:
  description: As given.
  returned: always
  type: dict
"""

import contextlib
import glob
import os
import platform
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Collection
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.files import read
from ..module_utils.host.network import addresses, listeners, routes

_FSYNC_SECONDS = 1.0
_FSYNC_SAMPLES = 100
_FSYNC_BYTES = 2300

# feature -> a symbol that the kernel has when the feature is built in or loaded
_SYMBOLS = {
    "overlay": "ovl_fill_super",
    "veth": "veth_xmit",
    "bridge": "br_add_if",
    "br_netfilter": "br_nf_pre_routing",
    "nf_conntrack": "nf_conntrack_in",
    "nf_tables": "nft_do_chain",
    "vxlan": "vxlan_xmit",
}

_LEFTOVERS = {
    "k3s": ("/usr/local/bin/k3s", "/etc/systemd/system/k3s.service", "/etc/systemd/system/k3s-agent.service"),
    "rke2": ("/usr/local/bin/rke2", "/usr/bin/rke2", "/etc/rancher/rke2"),
    "k0s": ("/usr/local/bin/k0s", "/etc/systemd/system/k0scontroller.service", "/etc/systemd/system/k0sworker.service"),
    "microk8s": ("/snap/bin/microk8s", "/var/snap/microk8s"),
    "MicroShift": ("/usr/bin/microshift",),
    "a distribution's kubelet package": (
        "/lib/systemd/system/kubelet.service",
        "/usr/lib/systemd/system/kubelet.service",
    ),
}

_TIME_SERVICES = ("chronyd", "ntpd", "ntpsec", "systemd-timesyn", "ptp4l", "phc2sys", "openntpd")


def existing_parent(path: str) -> str:
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def distribution() -> dict[str, str | list[str]]:
    values = {}
    for line in (read("/etc/os-release") or read("/usr/lib/os-release")).splitlines():
        key, _equals, value = line.partition("=")
        values[key.strip()] = value.strip().strip("\"'")
    return {
        "id": values.get("ID", ""),
        "id_like": values.get("ID_LIKE", "").split(),
        "version": values.get("VERSION_ID", ""),
        "name": values.get("PRETTY_NAME", ""),
    }


def meminfo() -> dict[str, int]:
    return {
        key: int(value) // 1024 for key, value in re.findall(r"^(\w+):\s+(\d+) kB", read("/proc/meminfo"), re.MULTILINE)
    }


def disk(path: str) -> dict[str, str | float]:
    parent = existing_parent(path)
    status = os.statvfs(parent)
    return {
        "parent": parent,
        "free_gb": round(status.f_bavail * status.f_frsize / 1e9, 2),
        "total_gb": round(status.f_blocks * status.f_frsize / 1e9, 2),
    }


def fsync_latency(path: str) -> dict[str, str | float] | None:
    """The 99th percentile of appending a WAL-sized record with fdatasync, in milliseconds."""
    if not path or os.path.isdir(os.path.join(path, "member")):
        return None
    parent, handle, name = existing_parent(path), None, None
    times: list[float] = []
    try:
        handle, name = tempfile.mkstemp(prefix=".preflight-", dir=parent)
        record, limit = b"\0" * _FSYNC_BYTES, time.monotonic() + _FSYNC_SECONDS
        while len(times) < _FSYNC_SAMPLES and time.monotonic() < limit:
            begin = time.perf_counter()
            os.write(handle, record)
            os.fdatasync(handle)
            times.append(time.perf_counter() - begin)
    except OSError as error:
        return {"path": parent, "error": str(error)}
    finally:
        if handle is not None:
            os.close(handle)
        if name is not None:
            with contextlib.suppress(OSError):
                os.unlink(name)
    times.sort()
    return {"path": parent, "samples": len(times), "p99_ms": round(1000 * times[int(0.99 * (len(times) - 1))], 2)}


def kernel_features() -> dict[str, bool | None]:
    """The feature counts, not the module: it may be built in, loaded, or a module that can be loaded."""
    release = platform.release()
    modules = "".join(read(f"/lib/modules/{release}/{name}") for name in ("modules.builtin", "modules.dep")).replace(
        "-", "_"
    )
    result: dict[str, bool | None] = {}
    symbols = None
    for feature, symbol in _SYMBOLS.items():
        if os.path.isdir("/sys/module/" + feature) or f"/{feature}.ko" in modules:
            result[feature] = True
            continue
        if symbols is None:
            symbols = read("/proc/kallsyms")
        if not symbols:
            result[feature] = None
            continue
        result[feature] = re.search(rf" {symbol}(\s|$)", symbols) is not None
    if re.search(r"\boverlay$", read("/proc/filesystems"), re.MULTILINE):
        result["overlay"] = True
    if os.path.isdir("/proc/sys/net/bridge"):
        result["br_netfilter"] = True
    return result


def cgroup_version() -> int | None:
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return 2
    return 1 if os.path.isdir("/sys/fs/cgroup/memory") else None


def selinux() -> str:
    mode = read("/sys/fs/selinux/enforce").strip()
    return {"1": "enforcing", "0": "permissive"}.get(mode, "disabled")


def running(names: Collection[str]) -> list[str]:
    found = set()
    for path in glob.iglob("/proc/[0-9]*/comm"):
        name = read(path).strip()
        if name in names:
            found.add(name)
    return sorted(found)


def resolve(name: str, timeout: float) -> dict[str, str | list[str]] | None:
    if not name:
        return None
    try:
        output = subprocess.run(
            ["getent", "ahosts", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=timeout
        ).stdout.decode()
    except subprocess.TimeoutExpired:
        return {"name": name, "addresses": [], "error": f"no answer within {timeout:g} s"}
    except OSError as error:
        return {"name": name, "addresses": [], "error": str(error)}
    found = sorted({line.split()[0] for line in output.splitlines() if line.strip()})
    return {"name": name, "addresses": found, "error": "" if found else "the name is not known"}


def fetch(url: str, ca: str, timeout: float) -> dict[str, str | bool | int | None] | None:
    if not url:
        return None
    result: dict[str, str | bool | int | None] = {"url": url, "ok": False, "status": None, "error": ""}
    try:
        context = ssl.create_default_context(cadata=ca or None)
        request = urllib.request.Request(url, method="HEAD")
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
        with opener.open(request, timeout=timeout) as response:
            result.update(ok=True, status=response.status)
    except urllib.error.HTTPError as error:
        result.update(status=error.code, error=f"HTTP status {error.code} {error.reason}")
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, socket.timeout):
            reason = f"no answer within {timeout:g} s"
        elif isinstance(reason, OSError) and reason.strerror and not isinstance(reason, ssl.SSLError):
            reason = reason.strerror
        result.update(error=str(reason))
    except socket.timeout:
        result.update(error=f"no answer within {timeout:g} s")
    except (OSError, ValueError) as error:
        result.update(error=str(error))
    return result


def kubelet_version() -> str:
    for program in ("/usr/local/bin/kubelet", "/usr/bin/kubelet"):
        if os.access(program, os.X_OK):
            try:
                output = subprocess.run(
                    [program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=5
                ).stdout.decode()
            except (OSError, subprocess.SubprocessError):
                return ""
            return output.split()[-1] if output.split() else ""
    return ""


def kubernetes(etcd_dir: str) -> dict[str, bool]:
    """What tells that the host belongs to a cluster already."""
    return {
        "node": os.path.exists("/etc/kubernetes/kubelet.conf"),
        # Written once its control plane was whole.
        "applied": os.path.exists("/etc/kubernetes/kubeadm.applied.yaml"),
        "authority": os.path.exists("/etc/kubernetes/pki/ca.key"),
        "etcd": bool(etcd_dir) and os.path.isdir(os.path.join(etcd_dir, "member")),
    }


def prepared() -> list[str]:
    """The steps before a join that have been done here, by what each of them leaves last."""
    steps = {
        "containerd": os.path.exists("/etc/systemd/system/containerd.service"),
        # Also where a site prepares its hosts by other means: kubeadm refuses one that does not forward.
        "host": read("/proc/sys/net/ipv4/ip_forward").strip() == "1",
        "kubelet": os.path.exists("/etc/systemd/system/kubelet.service"),
        "network": os.path.exists("/etc/firewalld/policies/kubernetes-flannel.xml"),
    }
    return [step for step, done in steps.items() if done]


def member_address(etcd_dir: str) -> str:
    """The address that the etcd member on the host has told the others, where it has one."""
    if not kubernetes(etcd_dir)["etcd"]:
        return ""
    url = re.search(r"^ETCD_INITIAL_ADVERTISE_PEER_URLS=https?://([^:/\s]+)", read("/etc/etcd.env"), re.MULTILINE)
    return url.group(1) if url else ""


def etcd_clients() -> list[str] | None:
    """The addresses that the host's firewall lets reach etcd, by the policy that the role etcd wrote."""
    policy = read("/etc/firewalld/policies/kubernetes-etcd.xml")
    return sorted(set(re.findall(r'<source address="([^"]+)"', policy))) if policy else None


def leftovers() -> list[dict[str, str]]:
    return [
        {"name": name, "path": next(path for path in paths if os.path.exists(path))}
        for name, paths in _LEFTOVERS.items()
        if any(os.path.exists(path) for path in paths)
    ]


def main() -> None:
    start = time.time()
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "default": {}},
            "roles": {"type": "list", "elements": "str", "default": []},
            "ports": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "port": {"type": "int", "required": True},
                    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
                },
            },
            "paths": {"type": "list", "elements": "str", "default": []},
            "fsync_path": {"type": "str", "default": ""},
            "etcd_dir": {"type": "path", "default": ""},
            "resolve": {"type": "str", "default": ""},
            "url": {"type": "str", "default": ""},
            "ca": {"type": "str", "default": ""},
            "timeout": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
    )
    params = module.params

    # What waits goes on at the same time as everything else.
    slow: dict[str, Any] = {}
    threads = [
        threading.Thread(target=lambda key=key, work=work: slow.__setitem__(key, work()), daemon=True)
        for key, work in (
            ("dns", lambda: resolve(params["resolve"], params["timeout"])),
            ("fetch", lambda: fetch(params["url"], params["ca"], params["timeout"])),
            ("kubelet_version", kubelet_version),
        )
    ]
    for thread in threads:
        thread.start()

    memory = meminfo()
    container = os.path.exists("/run/systemd/container") or os.path.exists("/run/.containerenv")
    facts: dict[str, Any] = {
        "addresses": addresses(),
        "architecture": platform.machine(),
        "cgroup_version": cgroup_version(),
        "container": container,
        "cpus": len(os.sched_getaffinity(0)),
        "disks": {path: disk(path) for path in params["paths"]},
        "distribution": distribution(),
        "effective_uid": os.geteuid(),
        "etcd_clients": etcd_clients(),
        "firewalld": bool(running(("firewalld",))),
        "fsync": fsync_latency(params["fsync_path"]),
        "hostname": platform.node(),
        "init": read("/proc/1/comm").strip(),
        "kernel": platform.release(),
        "kernel_features": kernel_features(),
        "kubernetes": kubernetes(params["etcd_dir"]),
        "leftovers": leftovers(),
        "listeners": listeners(params["ports"]),
        "machine_id": read("/etc/machine-id").strip(),
        "member_address": member_address(params["etcd_dir"]),
        "memory_mb": memory.get("MemTotal"),
        "pod_network": os.path.exists("/etc/cni/net.d/10-flannel.conflist"),
        "prepared": prepared(),
        # A container has its host's.
        "product_uuid": "" if container else read("/sys/class/dmi/id/product_uuid").strip(),
        "python": list(sys.version_info[:3]),
        "routes": routes(),
        "selinux": selinux(),
        "swap_mb": memory.get("SwapTotal", 0),
        "time_sync": running(_TIME_SERVICES),
    }
    limit = time.monotonic() + params["timeout"] + 1
    for thread in threads:
        thread.join(max(0.0, limit - time.monotonic()))
    facts["dns"] = slow.get("dns")
    facts["kubelet_version"] = slow.get("kubelet_version")
    facts["fetch"] = slow.get("fetch")
    if params["url"] and facts["fetch"] is None:
        # urllib's timeout does not hold for resolving the server's name.
        facts["fetch"] = {
            "url": params["url"],
            "ok": False,
            "status": None,
            "error": "no answer within {:g} s".format(params["timeout"]),
        }
    facts["clock"] = {"start": start, "end": time.time()}
    module.exit_json(changed=False, facts=facts, roles=params["roles"], settings=params["settings"])


if __name__ == "__main__":
    main()
