#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: cassandra_replace
short_description: Let a member with an empty volume take the place of a dead one
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - A member of Cassandra that starts with an empty volume while the ring has a dead member waits, since nobody but the
    operator knows whether the dead one comes back. This module tells it whose place it takes, and waits until it
    serves. It then has the dead member's part of the data, from the other copies.
  - Changes nothing where the member serves already.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
  - baremetal.bigdata.app_cluster
  - baremetal.bigdata.attributes.no_difference
options:
  member:
    description: Name of the pod that waits.
    type: str
    required: true
  address:
    description: Address of the dead member. Needed only where there are several.
    type: str
    default: ""
  timeout:
    description: Seconds until it has to serve.
    type: int
    default: 900
attributes:
  check_mode:
    description: Says what would be replaced.
    support: full
"""

EXAMPLES = r"""
- name: Replace a member whose disk was lost
  baremetal.bigdata.cassandra_replace:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: cassandra
    member: cassandra-worker-1
"""

RETURN = r"""
replaced:
  description: Address of the dead member; empty if there was nothing to do.
  type: str
  returned: success
"""

import time

from ..module_utils.app.run.status import Member, member
from ..module_utils.kube.answer import mapping, shortened
from ..module_utils.kube.module import APP_CLUSTER, Unreachable, create_module
from ..module_utils.kube.objects import Kube
from ..module_utils.kube.stream import CommandFailed

MEMBER = ["python3", "/etc/baremetal-bigdata/member.py"]
CONTAINER = "app"
PAUSE = 2


class Refused(Exception):
    """The member cannot be replaced, or it did not come up; the message says why."""


def whom(name: str, waiting: dict, address: str) -> str:
    """The address of the dead member that a waiting one replaces."""
    dead = waiting.get("dead") or []
    if not dead:
        raise Refused(
            f"{name}: expected that it waits with an empty volume beside a dead member, found that it "
            f"{'waits because ' + waiting['reason'] if waiting.get('reason') else 'does not wait'}. Look at its log."
        )
    if address and address not in dead:
        raise Refused(f"address: expected one of the dead members ({', '.join(dead)}), found {address}.")
    if not address and len(dead) > 1:
        raise Refused(
            f"{name}: expected one dead member, found {len(dead)} ({', '.join(dead)}). Bring back those that are "
            "only down, or say by its address whose place this member takes."
        )
    return address or dead[0]


def pod_of(kube: Kube, namespace: str, name: str) -> Member:
    pod = kube.get("v1", "Pod", name, namespace)
    if pod is None:
        raise Refused(f"{name}: expected a pod of that name in namespace {namespace}, found none.")
    return member(pod)


def replace(kube: Kube, params: dict, check_mode: bool) -> str:
    namespace, name = params["namespace"], params["member"]
    if pod_of(kube, namespace, name).ready:
        return ""
    answer = kube.run(namespace, name, CONTAINER, [*MEMBER, "waiting"])
    waiting = mapping(answer)
    if waiting is None:
        raise Refused(f"{name}: expected why it waits, found {shortened(answer)!r}. Is its image that of the role?")
    address = whom(name, waiting, params["address"])
    if check_mode:
        return address
    kube.run(namespace, name, CONTAINER, [*MEMBER, "replace", address])
    end = time.monotonic() + params["timeout"]
    while not pod_of(kube, namespace, name).ready:
        if time.monotonic() > end:
            raise Refused(
                f"{name}: expected that it serves in the place of {address} within {params['timeout']} s, found that "
                "it does not yet. It goes on by itself; look at its log, and run this again."
            )
        time.sleep(PAUSE)
    return address


def main() -> None:
    module = create_module(
        {
            **APP_CLUSTER,
            "member": {"type": "str", "required": True},
            "address": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 900},
        }
    )
    try:
        address = replace(Kube(module), module.params, module.check_mode)
    except Unreachable as error:
        module.fail_json(msg=f"expected a running Kubernetes cluster, found that {error}")
    except CommandFailed as error:
        module.fail_json(msg=f"{module.params['member']}: {error.output or error}")
    except Refused as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(address), replaced=address)


if __name__ == "__main__":
    main()
