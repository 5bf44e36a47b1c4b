#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: hazelcast_map
short_description: Write entries to a Hazelcast map and find them again
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Speaks Hazelcast's own protocol, by its Python client, from the controller. Reaches the members over the API
    server's connection, so that no port has to be opened for it, or directly at O(address).
  - The entries follow from O(seed), so a later call can tell a lost entry from a changed one.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
  - baremetal.bigdata.attributes.no_difference
options:
  state:
    description:
      - V(written) writes what is missing. V(present) fails unless all entries are there and unchanged. V(absent)
        destroys the map. V(tested) does all three, and leaves nothing behind.
    type: str
    choices: [tested, written, present, absent]
    default: tested
  cluster_name:
    description: Hazelcast's name of the cluster.
    type: str
    required: true
  namespace:
    description: Namespace of the cluster.
    type: str
  selector:
    description: Label selector of the members' pods.
    type: str
  port:
    description: The members' port.
    type: int
    default: 5701
  address:
    description: Reach the cluster at this host:port instead, for example at a node port.
    type: str
  members:
    description: Fail unless Hazelcast counts this number of members.
    type: int
  map:
    description: Name of the map.
    type: str
    default: baremetal-bigdata-verify
  entries:
    description: Number of entries.
    type: int
    default: 1000
  seed:
    description: What the entries follow from.
    type: str
    default: verify
  timeout:
    description: Seconds to wait for the connection.
    type: int
    default: 60
requirements:
  - hazelcast-python-client (Python package)
attributes:
  check_mode:
    description: Reads only.
    support: full
"""

EXAMPLES = r"""
- name: Write 10,000 entries
  baremetal.bigdata.hazelcast_map:
    kubeconfig: "{{ cluster_kubeconfig }}"
    cluster_name: hazelcast
    namespace: hazelcast
    selector: app.kubernetes.io/instance=hazelcast
    map: survivors
    entries: 10000
    state: written

- name: Find them again in a cluster of four
  baremetal.bigdata.hazelcast_map:
    kubeconfig: "{{ cluster_kubeconfig }}"
    cluster_name: hazelcast
    namespace: hazelcast
    selector: app.kubernetes.io/instance=hazelcast
    map: survivors
    entries: 10000
    members: 4
    state: present
"""

RETURN = r"""
members:
  description: How many members Hazelcast counts.
  type: int
  returned: always
addresses:
  description: The members' addresses, as Hazelcast names them.
  type: list
  elements: str
  returned: always
written:
  description: Entries that this call wrote.
  type: int
  returned: always
found:
  description: Entries that are there with the right value.
  type: int
  returned: always
lost:
  description: The first ten keys that are missing or have another value.
  type: list
  elements: int
  returned: always
seconds:
  description: Time for the map's operations.
  type: float
  returned: always
"""

import hashlib
import time
import traceback
from contextlib import ExitStack
from typing import Any

HAZELCAST_ERROR = None
try:
    import hazelcast
except ImportError:
    hazelcast = None
    HAZELCAST_ERROR = traceback.format_exc()

from ansible.module_utils.basic import missing_required_lib

from ..module_utils.app.run.watch import NoReadyMember, ready_member
from ..module_utils.kube.module import Unreachable, create_module
from ..module_utils.kube.objects import Kube

BATCH = 1000


def expected(seed: str, keys: range) -> dict[int, str]:
    """The entries of a map: the same for the same seed."""
    return {key: hashlib.sha256(f"{seed}/{key}".encode()).hexdigest() for key in keys}


def batches(entries: int) -> list[range]:
    return [range(start, min(start + BATCH, entries)) for start in range(0, entries, BATCH)]


def lost_keys(found: dict[int, str], wanted: dict[int, str]) -> list[int]:
    return [key for key, value in wanted.items() if found.get(key) != value]


def exercise(client: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    state, entries, seed = params["state"], params["entries"], params["seed"]
    infos = client.cluster_service.get_members()
    start = time.monotonic()
    store = client.get_map(params["map"]).blocking()
    result: dict[str, Any] = {
        "members": len(infos),
        "addresses": sorted(f"{info.address.host}:{info.address.port}" for info in infos),
        "written": 0,
        "changed": False,
    }
    if state in ("written", "tested") and not check_mode:
        for keys in batches(entries):
            wanted = expected(seed, keys)
            missing = lost_keys(store.get_all(list(keys)), wanted)
            if missing:
                store.put_all({key: wanted[key] for key in missing})
                result["written"] += len(missing)
        result["changed"] = state == "written" and result["written"] > 0
    lost: list[int] = []
    for keys in batches(entries):
        lost += lost_keys(store.get_all(list(keys)), expected(seed, keys))
    result.update(found=entries - len(lost), lost=lost[:10])
    if state == "absent":
        result["changed"] = store.size() > 0
    if state in ("absent", "tested") and not check_mode:
        store.destroy()
    result["seconds"] = round(time.monotonic() - start, 2)
    return result


def verdict(result: dict[str, Any], params: dict[str, Any], check_mode: bool) -> str:
    """What is wrong with a result, or an empty text."""
    wrong = []
    if params["members"] is not None and result["members"] != params["members"]:
        wrong.append(
            f"expected {params['members']} members, found {result['members']} ({', '.join(result['addresses'])})"
        )
    must_be_there = params["state"] == "present" or (params["state"] in ("written", "tested") and not check_mode)
    if must_be_there and result["found"] != params["entries"]:
        wrong.append(
            f"expected {params['entries']} entries in map {params['map']}, found {result['found']} "
            f"(first keys that are missing or changed: {', '.join(map(str, result['lost']))})"
        )
    return "; ".join(wrong)


def main() -> None:
    module = create_module(
        {
            "state": {"type": "str", "choices": ["tested", "written", "present", "absent"], "default": "tested"},
            "cluster_name": {"type": "str", "required": True},
            "namespace": {"type": "str"},
            "selector": {"type": "str"},
            "port": {"type": "int", "default": 5701},
            "address": {"type": "str"},
            "members": {"type": "int"},
            "map": {"type": "str", "default": "baremetal-bigdata-verify"},
            "entries": {"type": "int", "default": 1000},
            "seed": {"type": "str", "default": "verify"},
            "timeout": {"type": "int", "default": 60},
        },
        required_one_of=[("address", "selector")],
        required_together=[("namespace", "selector")],
    )
    if hazelcast is None:
        module.fail_json(msg=missing_required_lib("hazelcast-python-client"), exception=HAZELCAST_ERROR)
    params = module.params
    with ExitStack() as stack:
        address = params["address"]
        if not address:
            try:
                kube = Kube(module)
            except Unreachable as error:
                module.fail_json(msg=f"expected a running Kubernetes cluster, found that {error}")
            try:
                pod = ready_member(kube, params["namespace"], params["selector"])
            except NoReadyMember as error:
                module.fail_json(msg=str(error))
            local = stack.enter_context(kube.forward(params["namespace"], pod, params["port"]))
            address = f"127.0.0.1:{local}"
        try:
            client = hazelcast.HazelcastClient(
                cluster_name=params["cluster_name"],
                cluster_members=[address],
                # One connection, to one member: the others' addresses lead nowhere from here.
                smart_routing=False,
                cluster_connect_timeout=params["timeout"],
                invocation_timeout=params["timeout"],
                statistics_enabled=False,
            )
        except Exception as error:
            module.fail_json(msg=f"expected Hazelcast cluster {params['cluster_name']} at {address}, found: {error}")
        stack.callback(client.shutdown)
        result = exercise(client, params, module.check_mode)
    wrong = verdict(result, params, module.check_mode)
    if wrong:
        result["changed"] = False
        module.fail_json(msg=f"Hazelcast cluster {params['cluster_name']}: {wrong}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
