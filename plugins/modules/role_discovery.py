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
  - Asks members for their I(live) role, such as leader or primary, where O(live_roles) or O(definition) says how.
  - Changes nothing, unless O(publish=true) keeps the app cluster's discovery ConfigMap.
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
  live_roles:
    description:
      - How to ask the ready members of a role who they are now, as a mapping from the role to a probe. A probe has
        either C(command), a list of words that is run in the member's main container without a shell, or C(http),
        with C(port), C(path), C(json) (the answer's field, by dots) and C(scheme), asked through the API server.
      - C(match) is a regular expression; its first group, or the whole match, is the live role. Without it, the
        whole answer is. C(names) translates answers, such as C(standalone) to C(leader).
      - A member that does not answer, or answers with what C(match) does not find, has an empty live role and is
        named in RV(findings). It fails nothing.
      - The user needs the verbs C(get) and C(create) on C(pods/exec), or C(get) on C(pods/proxy).
    type: dict
  definition:
    description:
      - An app definition (C(kind) V(App)), from which the probes of all roles are taken. A role in O(live_roles)
        comes before it.
      - Of the definition's placeholders, C($(cluster.name\)), C($(cluster.namespace\)), C($(services.ID.port\)) and
        the defaults of C($(parameters.NAME\)) are filled in.
    type: dict
  live_timeout:
    description: How long one member may take to answer, in seconds.
    type: float
    default: 5
  expect_live:
    description:
      - How many members should say that they have a live role, as in O(expect), such as one C(leader).
      - With O(wait), members are asked again, every two seconds, until it is so.
    type: dict
  publish:
    description:
      - Keep the ConfigMap C(INSTANCE-members) in O(namespace), which members and other apps mount, as described in
        RV(published). It is applied server-side, and changed only if its content changes.
      - Takes O(namespace) and O(instance), and all of its roles. The user needs the verbs C(get) and C(patch) on
        configmaps, and C(create) the first time.
    type: bool
    default: false
  wait:
    description:
      - Wait until O(expect) and O(expect_live) are met. Without O(expect), wait until there is a member
        and every member is as O(wait_until) says.
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
    description: Can run in check mode and returns the same. It does not wait there, and O(publish) is a dry run.
  diff_mode:
    support: full
    description: Shows what O(publish) changes.
notes:
  - A Service belongs to a role if its selector selects at least one of the role's members; with O(app) or O(instance)
    also if its selector names the role and these labels, even while the role has no member.
  - URLs are built for ports whose scheme is known, from the Service's annotation C(baremetal.bigdata/scheme.PORT),
    C(baremetal.bigdata/scheme) (all ports), or the port's C(appProtocol) where that is
    C(http), C(https), C(ws) or C(wss).
    The annotation C(baremetal.bigdata/path.PORT) or C(baremetal.bigdata/path) adds a path, and
    C(baremetal.bigdata/dashboard.PORT) or C(baremetal.bigdata/dashboard), if V(true), makes it a page for people.
    PORT is the port's name or number.
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

- name: Wait for the one leader of a ZooKeeper ensemble
  baremetal.bigdata.role_discovery:
    namespace: analytics
    instance: zookeeper
    live_roles:
      server:
        command: [sh, -c, "echo srvr | nc localhost 2181"]
        match: 'Mode: (\w+)'
        names: {standalone: leader}
    expect: {server: 3}
    expect_live: {leader: 1}
    wait: true
  register: zookeeper

- name: Show where the leader is
  ansible.builtin.debug:
    msg: "{{ zookeeper.live.leader[0].pod }} on {{ zookeeper.live.leader[0].node }}"

- name: Keep the ConfigMap orders-cache-members
  baremetal.bigdata.role_discovery:
    namespace: analytics
    instance: orders-cache
    publish: true

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
    role:
      description: The role, which is the label's value.
      type: str
      sample: member
    live_role:
      description:
        - What the member says that it is. Empty where it is not ready, did not answer or its answer names none.
        - V(null) where its role has no probe.
      type: str
      sample: leader
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
    container:
      description:
        - Name of the container that runs the application, as the pod's annotation
          C(kubectl.kubernetes.io/default-container) says, else C(app), else the first.
      type: str
      sample: app
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
    member:
      description: The pod that a Service of one member leads to, else V(null).
      type: str
      sample: orders-cache-member-0
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
        dashboard:
          description: Whether there is a page for people.
          type: bool
    urls:
      description:
        - URLs to open from outside of the cluster, by load balancer, external address and node port.
        - For a node port, on up to three hosts that run a ready member.
      type: list
      elements: str
      sample: ["http://192.0.2.11:30080/ui"]
    cluster_urls:
      description:
        - URLs inside of the cluster. That of a headless Service has the members' own port, since its name leads to
          them.
      type: list
      elements: str
      sample: ["http://orders-cache.analytics.svc.cluster.local:8080/ui"]
    dashboards:
      description: Those of C(urls) that lead to pages for people.
      type: list
      elements: str
      sample: ["http://192.0.2.11:30080/ui"]
live:
  description: Live role -> the members that say so, each as in RV(members). Empty without probes.
  returned: success
  type: dict
  sample: {leader: [{pod: zookeeper-server-1, role: server, live_role: leader, ip: 10.244.1.7}]}
findings:
  description: One sentence for each ready member that has no live role, though its role has a probe.
  returned: success, and when the wait ended without success
  type: list
  elements: str
  sample: ["zookeeper-server-2 (role server): nc localhost 2181 did not end within 5 s"]
published:
  description:
    - The ConfigMap that O(publish) keeps. Its C(members.json) is a mapping from the role to members with C(name),
      C(ip), C(host), C(fqdn), C(node), C(rack) and, where it is known, C(live_role). Its C(hosts) has lines as in
      C(/etc/hosts).
    - Members without address and terminating ones are not in it. Whether a member is ready is not told.
  returned: with O(publish=true)
  type: dict
  contains:
    name:
      description: Name of the ConfigMap.
      type: str
      sample: orders-cache-members
    namespace:
      description: Its namespace.
      type: str
      sample: analytics
    members:
      description: How many members it has.
      type: int
      sample: 4
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
  description:
    - Whether O(expect) and O(expect_live) are met. Without O(expect), whether there is a member and all are as
      O(wait_until) says.
  returned: success, and when the wait ended without success
  type: bool
unmet:
  description: One sentence for each role, and each live role, that is not as expected.
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

import gc
import typing as t

from ansible.module_utils import basic
from ansible.module_utils.basic import AnsibleModule

from ..module_utils.app.run.discover import Request, look
from ..module_utils.app.run.live import ProbeError
from ..module_utils.discovery.publish import members_map, publish
from ..module_utils.discovery.read import CHUNK_SIZE, optional, read_nodes, read_services
from ..module_utils.discovery.roster import DiscoveryError, Roster
from ..module_utils.kube.client import KubeApi
from ..module_utils.kube.config import load_kubeconfig
from ..module_utils.kube.errors import KubeApiError
from ..module_utils.kube.module import ARGUMENT_SPEC
from ..module_utils.labels import LABEL_APP, LABEL_CLUSTER, LABEL_RACK, LABEL_ROLE


def discover(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    access = load_kubeconfig(params["kubeconfig"], params["context"])
    request = Request(params, access.namespace)
    roster = Roster(
        params["role_label"],
        default_role=params["default_role"],
        include_finished=params["include_finished"],
        cluster_domain=params["cluster_domain"],
    )
    with KubeApi(access) as api:
        waited, findings = look(api, roster, request, waiting=params["wait"] and not module.check_mode)
        unmet = [] if roster.met(request.expect, request.until) else roster.unmet(request.expect, request.until)
        unmet += roster.live_unmet(request.expect_live, findings)
        report: dict[str, t.Any] = {
            "counts": {role: roster.counts(role) for role in sorted({*request.roles, *roster.roles()})},
            "satisfied": not unmet,
            "unmet": unmet,
            "findings": findings,
            "waited_seconds": waited,
        }
        if params["wait"] and unmet and not module.check_mode:
            where = f"namespace {request.namespace}" if request.namespace else "all namespaces"
            module.fail_json(
                msg=f"After {params['wait_timeout']} s, in {where}, pods {request.selector}: {'. '.join(unmet)}.",
                **report,
            )
        if params["racks"] and roster.nodes():
            with optional("racks"):
                roster.set_nodes(read_nodes(api, roster.nodes(), params["rack_label"], params["chunk_size"]))
        services: list[dict[str, t.Any]] = []
        if params["services"]:
            with optional("services"):
                services = read_services(api, request.namespace, params["chunk_size"])
        changed, found = False, roster.members(request.roles)
        if params["publish"]:
            wanted = members_map(
                found, cluster=params["instance"], namespace=request.namespace, app=params["app"] or ""
            )
            changed, difference = publish(api, wanted, module.check_mode)
            report["published"] = {
                "name": wanted["metadata"]["name"],
                "namespace": request.namespace,
                "members": wanted["data"]["hosts"].count("\n"),
            }
            if difference and module._diff:
                report["diff"] = difference
    identity = {LABEL_APP: params["app"], LABEL_CLUSTER: params["instance"]}
    identity = {key: value for key, value in identity.items() if value}
    return {
        "changed": changed,
        "members": found,
        "live": roster.live(),
        "services": roster.services(services, roles=request.roles, labels=identity or None),
        "namespace": request.namespace,
        **report,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            ARGUMENT_SPEC,
            namespace={"type": "str"},
            all_namespaces={"type": "bool", "default": False},
            app={"type": "str"},
            instance={"type": "str", "aliases": ["app_cluster"]},
            label_selector={"type": "list", "elements": "str", "default": []},
            role_label={"type": "str", "default": LABEL_ROLE},
            roles={"type": "list", "elements": "str", "default": []},
            default_role={"type": "str"},
            include_finished={"type": "bool", "default": False},
            services={"type": "bool", "default": True},
            racks={"type": "bool", "default": True},
            rack_label={"type": "str", "default": LABEL_RACK},
            cluster_domain={"type": "str", "default": "cluster.local"},
            expect={"type": "dict"},
            live_roles={"type": "dict"},
            definition={"type": "dict"},
            live_timeout={"type": "float", "default": 5},
            expect_live={"type": "dict"},
            publish={"type": "bool", "default": False},
            wait={"type": "bool", "default": False},
            wait_until={"type": "str", "choices": ["ready", "running", "present"], "default": "ready"},
            wait_timeout={"type": "int", "default": 300},
            chunk_size={"type": "int", "default": CHUNK_SIZE},
        ),
        mutually_exclusive=[("roles", "default_role")],
        supports_check_mode=True,
    )
    if module.params["chunk_size"] < 1:
        module.fail_json(msg=f"chunk_size: expected 1 or more, found {module.params['chunk_size']}.")
    if module.params["live_timeout"] <= 0:
        module.fail_json(msg=f"live_timeout: expected more than 0 seconds, found {module.params['live_timeout']}.")
    # Parsed JSON has no cycles, and looking for them in large lists costs as much as parsing them.
    gc.disable()
    try:
        result = discover(module)
    except (KubeApiError, DiscoveryError, ProbeError) as error:
        module.fail_json(msg=str(error))
    if not module.no_log_values:
        # Ansible looks for secrets of the call in every value of the result: there are none, and with thousands of
        # members it takes as long as reading them from the API.
        basic.remove_values = lambda value, _secrets: value
    module.exit_json(**result)


if __name__ == "__main__":
    main()
