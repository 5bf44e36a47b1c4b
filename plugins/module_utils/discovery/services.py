# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services by which members of a role are reached, and their URLs. Pure functions."""

from __future__ import annotations

import typing as t

from ..kube.pods import Object, natural
from ..labels import ANNOTATION_DASHBOARD, ANNOTATION_PATH, ANNOTATION_SCHEME, LABEL_POD_NAME

_URL_HOSTS = 3
_URL_SCHEMES = ("http", "https", "ftp", "ws", "wss")


def _url(scheme: str, host: str, port: int, path: str) -> str:
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{port}/{path.lstrip('/')}" if path else f"{scheme}://{host}:{port}"


def project_service(service: Object, members: t.Sequence[Object], cluster_domain: str = "cluster.local") -> Object:
    """A Service and the URLs to open. *members* are those it selects; node port URLs name hosts of ready ones."""
    metadata, spec = service["metadata"], service["spec"]
    name, namespace = metadata["name"], metadata.get("namespace") or ""
    annotations = metadata.get("annotations") or {}
    dns = f"{name}.{namespace}.svc.{cluster_domain}"
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    external = [entry.get("ip") or entry.get("hostname") for entry in ingress] + list(spec.get("externalIPs") or ())
    placed = [member for member in members if member["host_ip"]]
    placed = [member for member in placed if member["ready"]] or placed
    hosts = sorted({member["host_ip"] for member in placed}, key=natural)[:_URL_HOSTS]
    cluster_ip = spec.get("clusterIP")
    headless = cluster_ip == "None"
    ports, urls, cluster_urls, dashboards = [], [], [], []
    for port in spec.get("ports") or ():
        scheme, path = _annotated(annotations, ANNOTATION_SCHEME, port), _annotated(annotations, ANNOTATION_PATH, port)
        if not scheme and port.get("appProtocol") in _URL_SCHEMES:
            scheme = port["appProtocol"]
        dashboard = _annotated(annotations, ANNOTATION_DASHBOARD, port).lower() == "true"
        ports.append(
            {
                "name": port.get("name") or "",
                "port": port["port"],
                "target_port": port.get("targetPort"),
                "node_port": port.get("nodePort"),
                "protocol": port.get("protocol") or "TCP",
                "scheme": scheme or None,
                "dashboard": dashboard,
            }
        )
        if scheme:
            # The name of a headless Service leads to the members themselves, so to their port.
            target = port.get("targetPort")
            number = target if headless and isinstance(target, int) and target else port["port"]
            cluster_urls.append(_url(scheme, dns, number, path))
            outside = [_url(scheme, host, port["port"], path) for host in external if host]
            if port.get("nodePort"):
                outside += [_url(scheme, host, port["nodePort"], path) for host in hosts]
            urls += outside
            if dashboard:
                dashboards += outside
    return {
        "name": name,
        "namespace": namespace,
        "type": spec.get("type") or "ClusterIP",
        "headless": headless,
        "member": (spec.get("selector") or {}).get(LABEL_POD_NAME),
        "cluster_ip": None if headless else cluster_ip,
        "dns": dns,
        "external": [host for host in external if host],
        "ports": ports,
        "urls": urls,
        "cluster_urls": cluster_urls,
        "dashboards": dashboards,
    }


def _annotated(annotations: t.Mapping[str, str], key: str, port: Object) -> str:
    """What an annotation says of a port: by its name, by its number, or of all."""
    for suffix in (f".{port['name']}" if port.get("name") else "", f".{port['port']}", ""):
        if annotations.get(key + suffix):
            return str(annotations[key + suffix])
    return ""
