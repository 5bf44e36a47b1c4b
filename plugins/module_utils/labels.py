# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels and annotations: what is written on objects, and what everything else finds and reads them by."""

from __future__ import annotations

MANAGER = "baremetal.bigdata"
# The owner of the discovery ConfigMap's fields.
FIELD_MANAGER = "baremetal.bigdata.discovery"
LABEL_APP = "app.kubernetes.io/name"
LABEL_CLUSTER = "app.kubernetes.io/instance"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_MANAGER = "app.kubernetes.io/managed-by"
LABEL_ROLE = "baremetal.bigdata/role"
LABEL_RACK = "topology.kubernetes.io/zone"
LABEL_HOSTNAME = "kubernetes.io/hostname"
# Set by the StatefulSet controller.
LABEL_POD_NAME = "statefulset.kubernetes.io/pod-name"
ANNOTATION_CONFIG = "baremetal.bigdata/config-hash"
ANNOTATION_TEMPLATE = "baremetal.bigdata/template-hash"
# On the pod of a member with a config package: whom it was told of, as JSON; and the digest of its package.
ANNOTATION_MEMBERS = "baremetal.bigdata/guest-members"
ANNOTATION_PACKAGE = "baremetal.bigdata/guest-package"
# On a controller: the values of fixed parameters, as JSON.
ANNOTATION_FIXED = "baremetal.bigdata/fixed-parameters"
# On a Service: the URL scheme and path of its ports, and whether people open it. `<annotation>.<port>` is for one port,
# by its name or number; without a port it is for all.
ANNOTATION_SCHEME = "baremetal.bigdata/scheme"
ANNOTATION_PATH = "baremetal.bigdata/path"
ANNOTATION_DASHBOARD = "baremetal.bigdata/dashboard"
# Names the container that a person means; as in kubectl.
ANNOTATION_CONTAINER = "kubectl.kubernetes.io/default-container"
# On a member that has begun to leave: a run that was interrupted goes on with this one.
ANNOTATION_LEAVING = "baremetal.bigdata/leaving"
