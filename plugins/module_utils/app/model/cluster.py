# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app model: what one cluster of an app shall be (``AppCluster``). Declared as `types` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .declare import amount, image, named, spec, text
from .kubernetes import ANNOTATION_NAME, ENV_NAME, LABEL_NAME, LABEL_VALUE, MAX_PODS, OWN_LABEL_NAME, SUBDOMAIN
from .scheduling import Affinity, Toleration
from .types import (
    NODE_PORTS,
    SERVICE_TYPES,
    SPREADS,
    App,
    ClaimMount,
    FetchedFile,
    Resources,
    Role,
    SecretKey,
    SecretMount,
    Storage,
)


@dataclass(frozen=True)
class VolumeSettings:
    """What a cluster chooses of a volume of the definition. Fixed once members live."""

    size: str = field(default="", metadata=amount("Size in bytes, a Kubernetes quantity.", "the definition's"))
    storage_class: str = field(default="", metadata=text(SUBDOMAIN, "Storage class.", "the definition's", empty=True))


@dataclass(frozen=True)
class RoleSettings:
    """What a cluster says about a role; the rest is as in the definition."""

    members: int = field(
        metadata=spec(
            "Number of members, within the role's cardinality.", "its smallest number", minimum=0, maximum=MAX_PODS
        )
    )
    image: str = field(default="", metadata=image("Image.", "the definition's"))
    resources: Resources = field(
        default_factory=Resources,
        metadata=spec("[Resources](#resources), in place of the definition's.", "the definition's"),
    )
    env: Mapping[str, str] = field(
        default_factory=dict,
        metadata=spec(
            "Further environment variables, and other values of those in the definition. Placeholders are replaced.",
            keys=ENV_NAME,
        ),
    )
    config: Mapping[str, Any] = field(
        default_factory=dict,
        metadata=spec(
            "By name of the configuration file: a mapping that is merged into `data` (null removes), or a text in "
            "place of the text.",
            "the definition's",
        ),
    )
    storage: Mapping[str, Storage] = field(
        default_factory=dict,
        metadata=spec(
            "By id of the volume: [its size and class](#volumes).",
            "the definition's",
            form="Mapping[str, VolumeSettings]",
        ),
    )
    node_selector: Mapping[str, str] = field(
        default_factory=dict,
        metadata=text(LABEL_VALUE, "Labels of the nodes on which members run.", keys=LABEL_NAME),
    )
    tolerations: tuple[Mapping[str, Any], ...] = field(
        default=(), metadata=spec("Kubernetes [tolerations](#tolerations-and-affinity).", like=Toleration)
    )
    affinity: Mapping[str, Any] = field(
        default_factory=dict, metadata=spec("Kubernetes [affinity](#tolerations-and-affinity).", like=Affinity)
    )
    spread: str = field(
        default="soft",
        metadata=spec(
            "Over hosts and racks: soft prefers; hard and racks demand an even share for each host or rack; none "
            "leaves it to Kubernetes.",
            choices=SPREADS,
        ),
    )
    secret_env: Mapping[str, SecretKey] = field(
        default_factory=dict,
        metadata=spec("Environment variables from existing [Secrets](#secrets).", keys=ENV_NAME),
    )
    secrets: tuple[SecretMount, ...] = field(
        default=(),
        metadata=spec(
            "Existing [Secrets](#secrets) that members mount; one with an id of the definition replaces it.", key="id"
        ),
    )
    secret_keys: Mapping[str, str] = field(
        default_factory=dict, metadata=spec("Values that only guest-configured members are told, by their Secret.")
    )
    shared_memory: str = field(
        default="", metadata=amount("Size of `/dev/shm` in bytes, a Kubernetes quantity.", "the runtime's")
    )
    service_account: str = field(
        default="",
        metadata=text(
            SUBDOMAIN, "An existing ServiceAccount, whose token members have.", "the cluster's own", empty=True
        ),
    )
    volumes: tuple[ClaimMount, ...] = field(
        default=(), metadata=spec("Existing [claims](#volumes) that members mount.", key="path")
    )
    files: tuple[FetchedFile, ...] = field(
        default=(),
        metadata=spec(
            "[Files](#config-packages) that members fetch. Only for a role with a config package.", key="path"
        ),
    )
    pod_labels: Mapping[str, str] = field(
        default_factory=dict, metadata=text(LABEL_VALUE, "Further labels of the role's pods.", keys=OWN_LABEL_NAME)
    )
    pod_annotations: Mapping[str, str] = field(
        default_factory=dict, metadata=spec("Further annotations of the role's pods.", keys=ANNOTATION_NAME)
    )
    service_labels: Mapping[str, str] = field(
        default_factory=dict,
        metadata=text(LABEL_VALUE, "Further labels of the role's client Services.", keys=OWN_LABEL_NAME),
    )
    service_annotations: Mapping[str, str] = field(
        default_factory=dict, metadata=spec("Further annotations of the role's client Services.", keys=ANNOTATION_NAME)
    )


@dataclass(frozen=True)
class ServiceSettings:
    """How a cluster offers a service."""

    type: str = field(
        default="ClusterIP", metadata=spec("Type of the Kubernetes Service.", "`service_type`", choices=SERVICE_TYPES)
    )
    node_port: int | None = field(
        default=None,
        metadata=spec("Fixed port on every node.", "Kubernetes' choice", minimum=NODE_PORTS[0], maximum=NODE_PORTS[1]),
    )


@dataclass(frozen=True)
class Connections:
    """Objects of the namespace of which guest-configured members are told."""

    clusters: tuple[str, ...] = field(default=(), metadata=text(SUBDOMAIN, "Names of other app clusters.", unique=True))
    configmaps: tuple[str, ...] = field(default=(), metadata=text(SUBDOMAIN, "Names of ConfigMaps.", unique=True))
    secrets: tuple[str, ...] = field(default=(), metadata=text(SUBDOMAIN, "Names of Secrets.", unique=True))


@dataclass(frozen=True)
class AppCluster:
    """Settings of a cluster: what one cluster of an app shall be. Read by the filter baremetal.bigdata.app_render."""

    name: str = field(
        metadata=named(
            "Name of the cluster: of its client Service, and the beginning of all other names.", place="metadata"
        )
    )
    namespace: str = field(metadata=named("Namespace of all its objects.", 63, place="metadata"))
    app: App = field(
        metadata=spec("Name of the app, to be sure that the definition is the one that is meant.", "any", form="str")
    )
    roles: Mapping[str, RoleSettings] = field(
        metadata=spec("[Settings](#settings-of-a-role) by id of the role.", "as the definition says")
    )
    services: Mapping[str, ServiceSettings] = field(
        default_factory=dict, metadata=spec("[Settings](#settings-of-a-service) by id of the service.")
    )
    service_type: str = field(
        default="ClusterIP", metadata=spec("Usual type of the client Services.", choices=SERVICE_TYPES)
    )
    parameters: Mapping[str, Any] = field(
        default_factory=dict, metadata=spec("Values of the definition's parameters, by name.", "their defaults")
    )
    labels: Mapping[str, str] = field(
        default_factory=dict,
        metadata=text(LABEL_VALUE, "Further labels of all its objects.", keys=OWN_LABEL_NAME, place="metadata"),
    )
    connections: Connections = field(
        default_factory=Connections,
        metadata=spec("Objects of the namespace of which [guests](#config-packages) are told."),
    )
    image_pull_secrets: tuple[str, ...] = field(
        default=(), metadata=text(SUBDOMAIN, "Names of Secrets with credentials for registries.", unique=True)
    )
    create_namespace: bool = field(default=True, metadata=spec("Make the namespace where there is none."))
    dns_domain: str = field(default="cluster.local", metadata=text(SUBDOMAIN, "DNS domain of the Kubernetes cluster."))


def secret_mounts(role: Role, settings: RoleSettings) -> list[SecretMount]:
    """The definition's, each replaced by the cluster's of the same id, and the cluster's own."""
    return list({item.id: item for item in (*role.secrets, *settings.secrets)}.values())
