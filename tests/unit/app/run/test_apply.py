# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server says of an object whose namespace is not there yet."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run.apply import Applied, apply_objects
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.errors import ConnectionLost, KubeApiError

ITEM = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "new"}}


class Refusing:
    dry_run = True

    def __init__(self, error):
        self.error = error

    def try_create(self, item, manager, namespace):
        raise self.error


def apply(error) -> Applied:
    found = Applied()
    apply_objects(Refusing(error), [ITEM], "test", {"new"}, found)
    return found


@pytest.mark.parametrize(
    "error",
    [
        KubeApiError("exceeded quota", 403, "Forbidden"),
        KubeApiError('roles "a" not found', 404, "NotFound"),
        KubeApiError('admission webhook "validate.kyverno.svc-fail" denied the request: no default', 400, "BadRequest"),
        KubeApiError('admission webhook "a.example" does not support dry run', 400, "BadRequest"),
        ConnectionLost('Internal error occurred: failed calling webhook "a.example": timeout', 500, "InternalError"),
        KubeApiError("configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'a' denied request", 422, "Invalid"),
    ],
)
def test_what_may_be_another_in_the_new_namespace_is_not_refused(error):
    assert apply(error).unseen == {"ConfigMap/a": str(error)}


@pytest.mark.parametrize(
    "error", [KubeApiError('unknown field "spec.replica"', 400, "BadRequest"), KubeApiError("Invalid value", 422)]
)
def test_what_is_wrong_anywhere_is_refused(error):
    with pytest.raises(KubeApiError, match=str(error)):
        apply(error)
