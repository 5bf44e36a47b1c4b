#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: cassandra_rows
short_description: Write rows to Cassandra at QUORUM and find them again
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Runs Cassandra's own Python driver in a ready member, which reaches all members and knows the administrator's
    password; so nothing has to be opened or installed for it. Rows are written and read at the consistency level
    QUORUM.
  - The values follow from the keys, so a later call can tell a lost row from a changed one.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
  - baremetal.bigdata.app_cluster
  - baremetal.bigdata.attributes.no_difference
options:
  state:
    description:
      - V(written) writes what is missing. V(present) fails unless all rows are there and unchanged. V(absent) drops
        the keyspace. V(tested) does all three, and leaves nothing behind.
      - V(sustained) writes rows for O(seconds), one after the other, and finds them again. An attempt that fails is
        made again, up to five times, as applications do.
    type: str
    choices: [tested, written, present, absent, sustained]
    default: tested
  selector:
    description: Label selector of the members' pods.
    type: str
    required: true
  keyspace:
    description: Keyspace that is used for nothing else.
    type: str
    default: baremetal_bigdata_verify
  rows:
    description: Number of rows.
    type: int
    default: 1000
  replication:
    description: Replication factor of the keyspace when it is created.
    type: int
    default: 3
  seconds:
    description: With O(state=sustained), for how long rows are written.
    type: int
    default: 60
  timeout:
    description: Seconds that all of it may take, beside O(seconds).
    type: int
    default: 300
attributes:
  check_mode:
    description: Reads only, in the states V(written), V(present) and V(tested).
    support: full
"""

EXAMPLES = r"""
- name: Write 1,000 rows
  baremetal.bigdata.cassandra_rows:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: cassandra
    selector: app.kubernetes.io/instance=cassandra
    keyspace: survivors
    state: written

- name: Find them again
  baremetal.bigdata.cassandra_rows:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: cassandra
    selector: app.kubernetes.io/instance=cassandra
    keyspace: survivors
    state: present
"""

RETURN = r"""
members:
  description: How many members are in the ring.
  type: int
  returned: success
written:
  description: Rows that this call wrote.
  type: int
  returned: success
found:
  description: Rows that are there with the right value.
  type: int
  returned: success
lost:
  description: The first ten keys that are missing or have another value.
  type: list
  elements: raw
  returned: success
attempts:
  description: With O(state=sustained), how many writes were tried, repeated ones included.
  type: int
  returned: success
failed:
  description: With O(state=sustained), how many rows could not be written in five attempts.
  type: int
  returned: success
seconds:
  description: Time that it took.
  type: float
  returned: success
"""

from typing import Any

from ..module_utils.app.run.watch import NoReadyMember, ready_member
from ..module_utils.kube.answer import mapping
from ..module_utils.kube.module import APP_CLUSTER, Unreachable, create_module
from ..module_utils.kube.objects import Kube
from ..module_utils.kube.stream import CommandFailed

MEMBER = ["python3", "/etc/baremetal-bigdata/member.py"]
CONTAINER = "app"


def words(params: dict[str, Any], check_mode: bool) -> list[str]:
    """The arguments of the members' own command."""
    state = params["state"]
    if check_mode and state in ("written", "tested"):
        state = "looked"
    return [
        *MEMBER,
        "rows",
        state,
        params["keyspace"],
        str(params["rows"]),
        str(params["replication"]),
        str(params["seconds"]),
    ]


def main() -> None:
    module = create_module(
        {
            "state": {
                "type": "str",
                "choices": ["tested", "written", "present", "absent", "sustained"],
                "default": "tested",
            },
            **APP_CLUSTER,
            "selector": {"type": "str", "required": True},
            "keyspace": {"type": "str", "default": "baremetal_bigdata_verify", "no_log": False},
            "rows": {"type": "int", "default": 1000},
            "replication": {"type": "int", "default": 3},
            "seconds": {"type": "int", "default": 60},
            "timeout": {"type": "int", "default": 300},
        }
    )
    params = module.params
    if module.check_mode and params["state"] in ("absent", "sustained"):
        module.exit_json(changed=params["state"] == "absent", members=0, written=0, found=0, lost=[], seconds=0.0)
    try:
        kube = Kube(module)
        ready = ready_member(kube, params["namespace"], params["selector"])
        limit = params["timeout"] + (params["seconds"] if params["state"] == "sustained" else 0)
        output = kube.run(params["namespace"], ready, CONTAINER, words(params, module.check_mode), limit)
    except NoReadyMember as error:
        module.fail_json(msg=str(error))
    except Unreachable as error:
        module.fail_json(msg=f"expected a running Kubernetes cluster, found that {error}")
    except CommandFailed as error:
        found = mapping(error.output or "") or {}
        text = "; ".join(line for line in (error.output or str(error)).splitlines() if not line.startswith("{"))
        module.fail_json(msg=f"{params['namespace']}/{ready}: {text}", **found)
    result = mapping(output) or {}
    if not result:
        module.fail_json(msg=f"{params['namespace']}/{ready}: expected a result, found {output[-300:]!r}")
    changed = params["state"] == "absent" or (params["state"] in ("written", "sustained") and result["written"] > 0)
    module.exit_json(changed=changed and not module.check_mode, **result)


if __name__ == "__main__":
    main()
