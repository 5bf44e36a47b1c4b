# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which nodes members run: tolerations and affinity in Kubernetes' own form, as its API has them (core/v1).

They are read to find what the API server would refuse, and go into the pods as they are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from .declare import spec, text
from .kubernetes import DNS_LABEL, INT64, LABEL_NAME, LABEL_VALUE, SUBDOMAIN

# Texts as the API has them: a number is none.
exact = partial(text, quoted=True)
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
REQUIRED = "What has to hold where a member is placed."
PREFERRED = "What is better where there is a choice."


@dataclass(frozen=True)
class Toleration:
    """A taint of nodes that members tolerate."""

    key: str = field(default="", metadata=exact(LABEL_NAME, "Name of the taint.", "every taint", empty=True))
    operator: str = field(
        default="",
        metadata=spec("How the value is compared. Without a key only Exists.", "`Equal`", choices=("Exists", "Equal")),
    )
    value: str = field(default="", metadata=exact(LABEL_VALUE, "Value of the taint. Not with Exists."))
    effect: str = field(default="", metadata=spec("Effect of the taint.", "every effect", choices=EFFECTS))
    tolerationSeconds: int | None = field(
        default=None,
        metadata=spec(
            "Seconds until a member leaves after all. Only with NoExecute.", "it stays", minimum=-INT64, maximum=INT64
        ),
    )


@dataclass(frozen=True)
class NodeRequirement:
    """What a label of a node has to be."""

    key: str = field(metadata=exact(LABEL_NAME, "Name of the label."))
    operator: str = field(
        metadata=spec("How it is compared.", choices=("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"))
    )
    values: tuple[str, ...] = field(
        default=(),
        metadata=exact(LABEL_VALUE, "In, NotIn: at least one. Gt, Lt: one whole number. Otherwise none."),
    )


@dataclass(frozen=True)
class NodeField:
    """What a field of a node has to be."""

    key: str = field(metadata=spec("Name of the field.", choices=("metadata.name",)))
    operator: str = field(metadata=spec("How it is compared.", choices=("In", "NotIn")))
    values: tuple[str, ...] = field(default=(), metadata=exact(SUBDOMAIN, "Just one."))


@dataclass(frozen=True)
class NodeTerm:
    """What a node has to be, in every respect."""

    matchExpressions: tuple[NodeRequirement, ...] = field(default=(), metadata=spec("Its labels."))
    matchFields: tuple[NodeField, ...] = field(default=(), metadata=spec("Its fields."))


@dataclass(frozen=True)
class NodeTerms:
    """What a node has to be, in one of several ways."""

    nodeSelectorTerms: tuple[NodeTerm, ...] = field(default=(), metadata=spec("The ways.", "one is required"))


@dataclass(frozen=True)
class PreferredNode:
    """Which nodes are better."""

    weight: int = field(metadata=spec("How much better.", minimum=1, maximum=100))
    preference: NodeTerm = field(metadata=spec("Which nodes."))


@dataclass(frozen=True)
class NodeAffinity:
    """Nodes, by what they are."""

    requiredDuringSchedulingIgnoredDuringExecution: NodeTerms | None = field(default=None, metadata=spec(REQUIRED))
    preferredDuringSchedulingIgnoredDuringExecution: tuple[PreferredNode, ...] = field(
        default=(), metadata=spec(PREFERRED)
    )


@dataclass(frozen=True)
class LabelRequirement:
    """What a label has to be."""

    key: str = field(metadata=exact(LABEL_NAME, "Name of the label."))
    operator: str = field(metadata=spec("How it is compared.", choices=("In", "NotIn", "Exists", "DoesNotExist")))
    values: tuple[str, ...] = field(default=(), metadata=exact(LABEL_VALUE, "In, NotIn: at least one. Otherwise none."))


@dataclass(frozen=True)
class LabelSelector:
    """Objects by their labels. An empty one is all of them."""

    matchLabels: Mapping[str, str] = field(
        default_factory=dict, metadata=exact(LABEL_VALUE, "Labels and their values.", keys=LABEL_NAME)
    )
    matchExpressions: tuple[LabelRequirement, ...] = field(
        default=(), metadata=spec("Labels, and what they have to be.")
    )


@dataclass(frozen=True)
class PodTerm:
    """Pods, and how far around them."""

    topologyKey: str = field(metadata=exact(LABEL_NAME, "Label of the nodes that count as one place."))
    labelSelector: LabelSelector | None = field(default=None, metadata=spec("Which pods.", "none"))
    namespaceSelector: LabelSelector | None = field(
        default=None, metadata=spec("In which namespaces, by their labels.", "the cluster's own")
    )
    namespaces: tuple[str, ...] = field(default=(), metadata=exact(DNS_LABEL, "In which namespaces, by name."))
    matchLabelKeys: tuple[str, ...] = field(
        default=(), metadata=exact(LABEL_NAME, "Labels in which the pods and the member agree.")
    )
    mismatchLabelKeys: tuple[str, ...] = field(
        default=(), metadata=exact(LABEL_NAME, "Labels in which the pods and the member differ.")
    )


@dataclass(frozen=True)
class PreferredPods:
    """Which pods are better neighbours."""

    weight: int = field(metadata=spec("How much better.", minimum=1, maximum=100))
    podAffinityTerm: PodTerm = field(metadata=spec("Which pods."))


@dataclass(frozen=True)
class PodAffinity:
    """Nodes, by the pods that run there."""

    requiredDuringSchedulingIgnoredDuringExecution: tuple[PodTerm, ...] = field(default=(), metadata=spec(REQUIRED))
    preferredDuringSchedulingIgnoredDuringExecution: tuple[PreferredPods, ...] = field(
        default=(), metadata=spec(PREFERRED)
    )


@dataclass(frozen=True)
class Affinity:
    """Where members are drawn to, and what they keep away from."""

    nodeAffinity: NodeAffinity | None = field(default=None, metadata=spec("To nodes, by what they are."))
    podAffinity: PodAffinity | None = field(default=None, metadata=spec("To nodes where certain pods run."))
    podAntiAffinity: PodAffinity | None = field(default=None, metadata=spec("Away from nodes where certain pods run."))
