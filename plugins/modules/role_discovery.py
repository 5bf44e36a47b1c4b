#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: role_discovery
short_description: Find the members and Services of application roles in Kubernetes
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Answers which pods play which role of an application, where they run and whether they are ready, and which
    Services lead to them.
  - A role is the value of a label of the pods, any label. It works on workloads that this collection did not create.
  - Can wait until roles have the expected numbers of ready members. It waits by a watch of the API, not by
    asking again and again.
  - Returns a few fields of each object, never whole objects, and reads large lists in chunks.
  - Never changes anything.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
options:
  namespace:
    description:
      - Namespace of the pods and Services.
      - Unset means that of the kubeconfig's context, else V(default).
    type: str
  all_namespaces:
    description: Look in all namespaces, whatever O(namespace) says. The user needs a ClusterRole for that.
    type: bool
    default: false
  app:
    description: Only pods of this application, by the label C(app.kubernetes.io/name).
    type: str
  instance:
    description: Only pods of this app cluster, by the label C(app.kubernetes.io/instance).
    type: str
    aliases: [app_cluster]
  label_selector:
    description:
      - Further conditions on the pods' labels, in the API's own syntax, such as V(tier=db) or V(env in (a,b\)).
        All of them must hold.
    type: list
    elements: str
    default: []
  role_label:
    description: The label whose value is the role.
    type: str
    default: baremetal.bigdata/role
  roles:
    description: Only these roles. They are in the result even without members. Empty means all roles.
    type: list
    elements: str
    default: []
  default_role:
    description:
      - The role of pods that do not have the label O(role_label).
      - Unset means that such pods are left out, already by the API server.
    type: str
  include_finished:
    description:
      - Return pods of phase V(Succeeded) or V(Failed) too, evicted ones among them.
      - They are never ready and never count as members in O(expect).
    type: bool
    default: false
  services:
    description: Return the Services of each role. The user needs the verb C(list) on services.
    type: bool
    default: true
  racks:
    description:
      - Return each member's rack, the value of O(rack_label) at its node. Only the nodes' metadata is read.
      - The user needs the verb C(list) on nodes, which takes a ClusterRole. Without that right, set this to V(false).
    type: bool
    default: true
  rack_label:
    description: The node label that names the rack.
    type: str
    default: topology.kubernetes.io/zone
  cluster_domain:
    description: DNS domain of the cluster, for the names of members and Services.
    type: str
    default: cluster.local
  expect:
    description:
      - How many members each role should have. V(3) is exactly three, V(2+) at least two.
      - An exact number is only reached when there is no further member either, starting or terminating. So
        V(2) also waits for the end of a scale-in from four.
      - Without O(wait), RV(satisfied) says whether it is so, and nothing fails.
    type: dict
  wait:
    description:
      - Wait until O(expect) is met. Without O(expect), wait until there is a member and every member is as
        O(wait_until) says.
      - Fails at the end of O(wait_timeout), and says which role has how many of how many members, and what
        holds up the others.
      - In check mode it does not wait, since what it would wait for was not created.
    type: bool
    default: false
  wait_until:
    description:
      - What makes a member count.
      - V(ready) is the pod's own condition Ready; a terminating pod is not ready.
      - V(running) is the phase Running with an address, ready or not, for an address that is needed before the
        application is up.
      - V(present) is a pod that exists and is not terminating.
    type: str
    choices: [ready, running, present]
    default: ready
  wait_timeout:
    description: How long to wait at most, in seconds.
    type: int
    default: 300
  chunk_size:
    description: How many objects to ask for at a time. Larger chunks take more memory and fewer requests.
    type: int
    default: 500
attributes:
  check_mode:
    support: full
    description: Can run in check mode and returns the same. It does not wait there.
  diff_mode:
    support: N/A
    description: Never changes anything.
notes:
  - A Service belongs to a role if its selector selects at least one of the role's members; with O(app) or O(instance)
    also if its selector names the role and these labels, even while the role has no member.
  - URLs are built for ports whose scheme is known, from the Service's annotation C(baremetal.bigdata/scheme.PORT)
    (by port name), C(baremetal.bigdata/scheme) (all ports), or the port's C(appProtocol) where that is
    C(http), C(https), C(ws) or C(wss).
    The annotation C(baremetal.bigdata/path.PORT) or C(baremetal.bigdata/path) adds a path.
seealso:
  - module: kubernetes.core.k8s_info
"""

EXAMPLES = r"""
- name: Find the members of a Hazelcast cluster
  baremetal.bigdata.role_discovery:
    namespace: analytics
    instance: orders-cache
  register: orders_cache

- name: Show the address of its first member
  ansible.builtin.debug:
    msg: "{{ orders_cache.members.member[0].ip }} on {{ orders_cache.members.member[0].node }}"

- name: Wait until four members are ready and none is left over
  baremetal.bigdata.role_discovery:
    namespace: analytics
    instance: orders-cache
    expect:
      member: 4
    wait: true
    wait_timeout: 600

- name: Find the master's address before its application is up
  baremetal.bigdata.role_discovery:
    namespace: grid
    instance: symphony
    roles: [master]
    expect:
      master: 1
    wait: true
    wait_until: running
  register: grid

- name: Look at a workload that something else created
  baremetal.bigdata.role_discovery:
    namespace: kube-system
    role_label: k8s-app

- name: Without rights outside of one namespace
  baremetal.bigdata.role_discovery:
    kubeconfig: /etc/site/tenant.kubeconfig
    namespace: tenant-a
    racks: false
"""

RETURN = r"""
members:
  description:
    - Role -> its members, in natural order of their names (C(w-2) before C(w-10)).
    - Pods that are not placed yet are there, with V(null) for what is not known.
  returned: success
  type: dict
  contains:
    pod:
      description: Name of the pod.
      type: str
      sample: orders-cache-member-0
    namespace:
      description: Namespace of the pod.
      type: str
      sample: analytics
    app:
      description: Value of C(app.kubernetes.io/name), or V(null).
      type: str
      sample: hazelcast
    instance:
      description: Value of C(app.kubernetes.io/instance), or V(null).
      type: str
      sample: orders-cache
    ip:
      description: First address of the pod, or V(null). In the host's network, the host's.
      type: str
      sample: 10.244.1.7
    ips:
      description: All addresses of the pod, one per family.
      type: list
      elements: str
      sample: [10.244.1.7, "fd00:10:244:1::7"]
    host_ip:
      description: Address of the host, or V(null).
      type: str
      sample: 192.0.2.11
    node:
      description: Name of the node, or V(null) while the pod is not scheduled.
      type: str
      sample: worker1
    hostname:
      description: Host name that the member itself sees. In the host's network, the host's.
      type: str
      sample: orders-cache-member-0
    fqdn:
      description: DNS name of the member, for pods with host name and subdomain (as of a StatefulSet), else V(null).
      type: str
      sample: orders-cache-member-0.orders-cache-member.analytics.svc.cluster.local
    host_network:
      description: Whether the pod is in the host's network.
      type: bool
    rack:
      description: Value of O(rack_label) at the node, or V(null).
      type: str
      sample: rack-a
    phase:
      description: Phase of the pod, V(Pending), V(Running), V(Succeeded), V(Failed) or V(Unknown).
      type: str
      sample: Running
    ready:
      description: Whether the pod is running, ready and not terminating.
      type: bool
    terminating:
      description: Whether the pod's deletion was requested.
      type: bool
    restarts:
      description: Restarts of its containers, sidecars included.
      type: int
      sample: 0
    started:
      description: When the host accepted the pod (RFC 3339, UTC), or V(null).
      type: str
      sample: "2026-08-01T09:30:00Z"
    reason:
      description: Why the pod is not ready, or V(null).
      type: str
      sample: 'container app: ImagePullBackOff: Back-off pulling image "registry.example/app:1"'
services:
  description: Role -> the Services that lead to it, sorted by name. Empty with O(services=false).
  returned: success
  type: dict
  contains:
    name:
      description: Name of the Service.
      type: str
      sample: orders-cache
    namespace:
      description: Namespace of the Service.
      type: str
      sample: analytics
    type:
      description: V(ClusterIP), V(NodePort) or V(LoadBalancer).
      type: str
      sample: NodePort
    headless:
      description: Whether it has no address of its own.
      type: bool
    cluster_ip:
      description: Address inside the cluster, V(null) if headless.
      type: str
      sample: 10.96.10.20
    dns:
      description: DNS name inside the cluster.
      type: str
      sample: orders-cache.analytics.svc.cluster.local
    external:
      description: Addresses of the load balancer and external addresses.
      type: list
      elements: str
    ports:
      description: The ports.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the port, or the empty string.
          type: str
        port:
          description: Port of the Service.
          type: int
        target_port:
          description: Number or name of the pods' port.
          type: raw
        node_port:
          description: Port on every host, or V(null).
          type: int
        protocol:
          description: V(TCP), V(UDP) or V(SCTP).
          type: str
        scheme:
          description: URL scheme, or V(null) where none is known.
          type: str
    urls:
      description:
        - URLs to open from outside of the cluster, by load balancer, external address and node port.
        - For a node port, on up to three hosts that run a ready member.
      type: list
      elements: str
      sample: ["http://192.0.2.11:30080/ui"]
    cluster_urls:
      description: URLs inside of the cluster.
      type: list
      elements: str
      sample: ["http://orders-cache.analytics.svc.cluster.local:8080/ui"]
counts:
  description: Role -> how many members there are. Finished pods are not counted.
  returned: success, and when the wait ended without success
  type: dict
  contains:
    total:
      description: Members in all, terminating ones included.
      type: int
    ready:
      description: Members that are ready.
      type: int
    running:
      description: Members that run and have an address, ready or not.
      type: int
    terminating:
      description: Members that are terminating.
      type: int
  sample: {member: {total: 4, ready: 4, running: 4, terminating: 0}}
satisfied:
  description: Whether O(expect) is met, or, without it, whether there is a member and all are as O(wait_until) says.
  returned: success, and when the wait ended without success
  type: bool
unmet:
  description: One sentence for each role that is not as expected.
  returned: success, and when the wait ended without success
  type: list
  elements: str
  sample:
    - "role member: 3 ready of 4 expected (4 found); not ready: cache-member-3 (container app: CrashLoopBackOff)"
waited_seconds:
  description: How long it waited.
  returned: success, and when the wait ended without success
  type: float
  sample: 12.3
namespace:
  description: The namespace that was looked at, or the empty string for all.
  returned: success
  type: str
  sample: analytics
"""

import contextlib
import gc
import time
import typing as t
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.bigdata.plugins.module_utils import discovery, kube_api

# After the connection to a server that has answered once is lost, try again after this many seconds.
RECONNECT_SECONDS = 1.0


def load_pods(api: kube_api.KubeApi, path: str, roster: discovery.Roster, selector: str, chunk_size: int) -> str:
    """Read all pods into the roster, from the start again where the list expired; the version to watch from."""
    for last_attempt in (False, False, True):
        roster.clear()
        version = ""
        try:
            for chunk in api.list_chunks(path, limit=chunk_size, labelSelector=selector):
                version = chunk["metadata"]["resourceVersion"]
                for pod in chunk.pop("items") or ():
                    roster.put(pod)
                del chunk
            return version
        except kube_api.Expired:
            if last_attempt:
                raise
    raise AssertionError("unreachable")


def pause(deadline: float) -> None:
    """Give a server that went away some time, but never past the deadline."""
    time.sleep(max(0.0, min(RECONNECT_SECONDS, deadline - time.monotonic())))


def wait_for(
    api: kube_api.KubeApi,
    path: str,
    roster: discovery.Roster,
    selector: str,
    version: str,
    chunk_size: int,
    done: t.Callable[[], bool],
    deadline: float,
) -> None:
    """Follow the pods until *done* or the deadline. Survives expired versions and a restarting API server."""
    while not done() and time.monotonic() < deadline:
        try:
            if not version:
                version = load_pods(api, path, roster, selector, chunk_size)
                continue
            began = time.monotonic()
            for kind, pod in api.watch(path, version, deadline, labelSelector=selector):
                version = pod["metadata"]["resourceVersion"]
                roster.apply(kind, pod)
                if done():
                    return
            # A server or proxy that ends watches at once is not asked in a tight loop.
            if time.monotonic() - began < RECONNECT_SECONDS:
                pause(deadline)
        except kube_api.Expired:
            version = ""
        except kube_api.ConnectionLost:
            # What happened meanwhile is read from the history, or by a new list where that has expired.
            pause(deadline)


def read_nodes(api: kube_api.KubeApi, names: set[str], rack_label: str, chunk_size: int) -> dict[str, dict[str, t.Any]]:
    """Rack and host name of these nodes, from the metadata of all."""
    nodes = {}
    for chunk in api.list_chunks("/api/v1/nodes", limit=chunk_size, metadata_only=True):
        for node in chunk["items"] or ():
            if node["metadata"]["name"] in names:
                nodes[node["metadata"]["name"]] = discovery.project_node(node, rack_label)
    return nodes


def read_services(api: kube_api.KubeApi, path: str, chunk_size: int) -> list[dict[str, t.Any]]:
    """The Services of a namespace."""
    services: list[dict[str, t.Any]] = []
    for chunk in api.list_chunks(path, limit=chunk_size):
        services += chunk["items"] or ()
    return services


@contextlib.contextmanager
def optional(option: str) -> t.Iterator[None]:
    """Name the option that does without, where the user has no right to read something."""
    try:
        yield
    except kube_api.KubeApiError as error:
        if error.status != 403:
            raise
        raise kube_api.KubeApiError(f"{error} Or do without, by {option}: false.", 403, error.reason) from error


def discover(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    expect = discovery.parse_expect(params["expect"] or {})
    access = kube_api.load_kubeconfig(params["kubeconfig"], params["context"])
    namespace = "" if params["all_namespaces"] else params["namespace"] or access.namespace
    base = f"/api/v1/namespaces/{quote(namespace, safe='')}" if namespace else "/api/v1"
    selector = discovery.label_selector(
        params["role_label"],
        app=params["app"],
        instance=params["instance"],
        roles=params["roles"],
        extra=params["label_selector"],
        require_role=not params["default_role"],
    )
    roster = discovery.Roster(
        params["role_label"],
        default_role=params["default_role"],
        include_finished=params["include_finished"],
        cluster_domain=params["cluster_domain"],
    )
    until, chunk_size = params["wait_until"], params["chunk_size"]
    roles = {*params["roles"], *expect}
    started = time.monotonic()
    with kube_api.KubeApi(access) as api:
        version = load_pods(api, f"{base}/pods", roster, selector, chunk_size)
        if params["wait"] and not module.check_mode:
            wait_for(
                api,
                f"{base}/pods",
                roster,
                selector,
                version,
                chunk_size,
                lambda: roster.met(expect, until),
                started + params["wait_timeout"],
            )
        waited = round(time.monotonic() - started, 1) if params["wait"] and not module.check_mode else 0.0
        satisfied = roster.met(expect, until)
        report: dict[str, t.Any] = {
            "counts": {role: roster.counts(role) for role in sorted({*roles, *roster.roles()})},
            "satisfied": satisfied,
            "unmet": [] if satisfied else roster.unmet(expect, until),
            "waited_seconds": waited,
        }
        if params["wait"] and not satisfied and not module.check_mode:
            where = f"namespace {namespace}" if namespace else "all namespaces"
            module.fail_json(
                msg=f"After {params['wait_timeout']} s, in {where}, pods {selector}: {'. '.join(report['unmet'])}.",
                **report,
            )
        if params["racks"] and roster.nodes():
            with optional("racks"):
                roster.set_nodes(read_nodes(api, roster.nodes(), params["rack_label"], chunk_size))
        services: list[dict[str, t.Any]] = []
        if params["services"]:
            with optional("services"):
                services = read_services(api, f"{base}/services", chunk_size)
    identity = {discovery.APP_LABEL: params["app"], discovery.INSTANCE_LABEL: params["instance"]}
    identity = {key: value for key, value in identity.items() if value}
    return {
        "members": roster.members(roles),
        "services": roster.services(services, roles=roles, labels=identity or None),
        "namespace": namespace,
        **report,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            kube_api.ARGUMENT_SPEC,
            namespace={"type": "str"},
            all_namespaces={"type": "bool", "default": False},
            app={"type": "str"},
            instance={"type": "str", "aliases": ["app_cluster"]},
            label_selector={"type": "list", "elements": "str", "default": []},
            role_label={"type": "str", "default": discovery.ROLE_LABEL},
            roles={"type": "list", "elements": "str", "default": []},
            default_role={"type": "str"},
            include_finished={"type": "bool", "default": False},
            services={"type": "bool", "default": True},
            racks={"type": "bool", "default": True},
            rack_label={"type": "str", "default": discovery.RACK_LABEL},
            cluster_domain={"type": "str", "default": "cluster.local"},
            expect={"type": "dict"},
            wait={"type": "bool", "default": False},
            wait_until={"type": "str", "choices": ["ready", "running", "present"], "default": "ready"},
            wait_timeout={"type": "int", "default": 300},
            chunk_size={"type": "int", "default": 500},
        ),
        mutually_exclusive=[("roles", "default_role")],
        supports_check_mode=True,
    )
    if module.params["chunk_size"] < 1:
        module.fail_json(msg=f"chunk_size: expected 1 or more, found {module.params['chunk_size']}.")
    # Parsed JSON has no cycles, and looking for them in large lists costs as much as parsing them.
    gc.disable()
    try:
        result = discover(module)
    except (kube_api.KubeApiError, discovery.DiscoveryError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
