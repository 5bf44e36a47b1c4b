# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module that calls the Kubernetes API has: its options, and its error where there is no cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback

# The options of the doc fragment kube_auth.
ARGUMENT_SPEC = {
    "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG", "KUBECONFIG"])},
    "context": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_CONTEXT"])},
}
# Those of the doc fragments app_cluster and field_manager.
APP_CLUSTER = {"namespace": {"type": "str", "required": True}}
FIELD_MANAGER = {"field_manager": {"type": "str", "default": "baremetal.bigdata"}}


class Unreachable(Exception):
    """There is no kubeconfig, or nobody answers behind it."""


def create_module(argument_spec: dict[str, Any], **arguments: Any) -> AnsibleModule:
    """An AnsibleModule with the options of the doc fragment kube_auth."""
    return AnsibleModule(argument_spec={**ARGUMENT_SPEC, **argument_spec}, supports_check_mode=True, **arguments)


@contextlib.contextmanager
def refusing(module: AnsibleModule, refused: str = "the API server refused") -> Iterator[None]:
    """End the module with a clear error where the API server refuses."""
    try:
        yield
    except Exception as error:
        if not getattr(error, "status", None):
            raise
        module.fail_json(msg=f"{refused}: {reason(error)}")


@contextlib.contextmanager
def reporting(
    module: AnsibleModule, missing: Callable[[str], Mapping[str, Any]], refused: str = "the API server refused"
) -> Iterator[None]:
    """End the module with a clear error where there is no cluster, or where it refuses.

    In check mode there may be no cluster yet: the module then succeeds with what *missing* makes of
    the reason, and ``reachable`` false.
    """
    try:
        with refusing(module, refused):
            yield
    except Unreachable as error:
        if module.check_mode:
            module.exit_json(changed=False, reachable=False, **missing(str(error)))
        module.fail_json(
            msg=f"expected a running Kubernetes cluster, found that {error}. Run the cluster playbook first, "
            "or set cluster_kubeconfig to the kubeconfig of a cluster."
        )


def reason(error: BaseException) -> str:
    """What went wrong, in one sentence."""
    return str(error) or type(error).__name__
