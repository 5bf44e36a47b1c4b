# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What KubeDirectorApp and KubeDirectorCluster have in common: versions, names of fields, quantities, reading."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from ....kube.quantity import quantity
from ...model.reader import AppError, Problem, Reader, show

V1BETA1 = "kubedirector.hpe.com/v1beta1"
V1ALPHA1 = "kubedirector.bluedata.io/v1alpha1"
# v1alpha1 changed its names twice without changing its version.
ALIASES = {
    "distroID": ("distro_id",),
    "configSchemaVersion": ("config_schema_version",),
    "defaultImageRepoTag": ("default_image_repo_tag",),
    "defaultConfigPackage": ("default_config_package",),
    "defaultPersistDirs": ("default_persist_dirs", "persist_dirs"),
    "systemdRequired": ("systemd_required", "systemctlMounts"),
    "imageRepoTag": ("image_repo_tag",),
    "configPackage": ("config_package",),
    "packageURL": ("package_url",),
    "persistDirs": ("persist_dirs",),
    "urlScheme": ("url_scheme",),
    "isDashboard": ("is_dashboard",),
    "roleServices": ("role_services", "node_services"),
    "selectedRoles": ("selected_roles",),
    "configMeta": ("config_meta",),
    "roleID": ("role_id",),
    "serviceIDs": ("service_ids",),
}
# Fields that hold a number or a truth value. Whatever else is written without quotes is a text.
NO_TEXTS = frozenset(
    (
        *("configSchemaVersion", "config_schema_version", "systemdRequired", "systemd_required", "systemctlMounts"),
        *("members", "numDevices", "port", "isDashboard", "is_dashboard", "hasAuthToken", "ephemeralModeSupported"),
        *("stdin", "tty", "readOnly", "optional", "defaultMode", "fileMode", "weight"),
    )
)
# Fields in which everything is a text, under whatever name.
FREE_TEXTS = frozenset(
    (
        *("configMeta", "config_meta", "labels", "annotations", "podLabels", "podAnnotations", "serviceLabels"),
        *("serviceAnnotations", "matchLabels", "limits", "requests", "minResources"),
    )
)

# What metadata may hold: an object that was read from a server has all of it.
_METADATA = (
    *("name", "namespace", "labels", "annotations", "uid", "resourceVersion", "generation", "creationTimestamp"),
    *("managedFields", "finalizers", "ownerReferences", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"),
)
OBJECT_NAME = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"


class DialectError(AppError):
    """A definition or a cluster of KubeDirector's cannot be honoured; ``document`` says which of the two."""

    def __init__(self, problems: Sequence[Problem], document: str):
        super().__init__(problems)
        self.document = document


class KubeDirectorReader(Reader):
    """Fields under the names that their API version has for them, quoted or not."""

    def __init__(self, data: Any, path: str, problems: list[Problem], aliases: Mapping[str, Sequence[str]]):
        super().__init__(data, path, problems)
        self.aliases = aliases

    def written(self, name: str) -> str:
        """The name that the document really has for a field."""
        names = [item for item in (name, *self.aliases.get(name, ())) if item in self.data]
        return names[0] if names else name

    def at(self, name: str) -> str:
        head = re.split(r"[.\[]", name, maxsplit=1)[0]
        return super().at(self.written(head) + name[len(head) :]) if head else super().at(name)

    def raw(self, name: str, default: Any = None) -> Any:
        return super().raw(self.written(name), default)

    def given(self, name: str) -> bool:
        """Whether the field is there at all, be it null."""
        self.asked.append(self.written(name))
        return self.written(name) in self.data

    def boolean(self, name: str, default: bool) -> bool:
        value = self.raw(name)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        return super().boolean(name, default)

    def integer(self, name: str, default: int | None, low: int, high: int | None = None) -> int | None:
        value = self.raw(name)
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,60}", value):
            found: list[Problem] = []
            own = Reader({name: int(value)}, "", found)
            number = own.integer(name, default, low, high)
            self.problems += [Problem(self.at(name), item.expected, item.found, item.remedy) for item in found]
            return number
        return super().integer(name, default, low, high)

    def sub(self, name: str) -> KubeDirectorReader:
        return KubeDirectorReader(self.raw(name), self.at(name), self.problems, self.aliases)

    def rows(self, name: str) -> list[KubeDirectorReader]:
        return [
            KubeDirectorReader(item, f"{self.at(name)}[{index}]", self.problems, self.aliases)
            for index, item in enumerate(self.items(name))
        ]

    def strings(self, name: str) -> tuple[str, ...]:
        values = [
            str(item) if isinstance(item, (int, float)) and not isinstance(item, bool) else item
            for item in self.items(name)
        ]
        for index, value in enumerate(values):
            if not isinstance(value, str):
                self.problem(f"{name}[{index}]", "a text", show(value))
        return tuple(str(value) for value in values)

    def remark(self, name: str, notes: list[str], why: str) -> None:
        """A field that is accepted and has no effect: said, not dropped in silence."""
        value = self.raw(name)
        if value is not None and value not in ([], {}, ""):
            notes.append(f"{self.at(name)} has no effect: {why}.")

    def amount(self, name: str, zero: bool = True) -> Fraction | None:
        """The value of a quantity, None without one."""
        text = self.text(name)
        if not text:
            return None
        value = quantity(text)
        if value is None:
            remedy = ""
            better = re.fullmatch(r"([0-9.]+) *([KkMGTP])(i?)[Bb]?", text)
            if better:
                number, letter, binary = better.groups()
                if letter in "Kk":
                    letter = "K" if binary else "k"
                remedy = f"Did you mean {number}{letter}{binary}?"
            self.problem(name, "a Kubernetes quantity such as 500m or 4Gi", show(text), remedy)
        elif not zero and value == 0:
            self.problem(name, "more than nothing", show(text))
        return value

    def once(self, name: str, values: Sequence[str], notes: list[str]) -> list[str]:
        """A list without values that were there before: KubeDirector takes them, and they say nothing more."""
        for index, value in enumerate(values):
            if value in values[:index]:
                notes.append(f"{self.at(name)}[{index}] has no effect: {value} is there already.")
        return list(dict.fromkeys(values))

    def unique(self, name: str, values: Sequence[str], key: str = "") -> None:
        """Report each value of a list, or of its items' field *key*, that was there before."""
        seen: set[str] = set()
        for index, value in enumerate(values):
            if value in seen:
                where = f"{name}[{index}]" + (f".{key}" if key else "")
                self.problem(where, "a name that is used once", f"{show(value)} again", "Rename or remove one of them.")
            seen.add(value)


def object_name(text: str, longest: int, prefix: str) -> str:
    """A name of lower-case letters, digits and dashes for any name of KubeDirector's, which no other name becomes.

    What is not as it was written ends in a digest of what was written.
    """
    name = slug(text, longest, prefix)
    if name == text:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{name[: longest - 7].rstrip('-')}-{digest}"


def slug(text: str, longest: int, prefix: str, taken: Sequence[str] = ()) -> str:
    """A name of lower-case letters, digits and dashes for any name of KubeDirector's, different from those taken.

    Of two names that are not taken together it may make one: for names within one document.
    """
    name = re.sub(r"-+", "-", re.sub(r"[^a-z0-9]", "-", text.lower())).strip("-")
    if not name[:1].isalpha():
        name = f"{prefix}-{name}".rstrip("-")
    name = name[:longest].rstrip("-")
    if name in taken:
        digest = hashlib.sha256(text.encode()).hexdigest()[:6]
        name = f"{name[: longest - 7].rstrip('-')}-{digest}"
    return name


def is_kubedirector(document: Any) -> bool:
    """Whether a document is written in this dialect, in whatever version."""
    if not isinstance(document, Mapping):
        return False
    named = str(document.get("apiVersion") or "").startswith("kubedirector.")
    return named or str(document.get("kind") or "").startswith("KubeDirector")


def read_head(document: Any, kind: str, problems: list[Problem]) -> tuple[KubeDirectorReader, KubeDirectorReader, str]:
    """A document's own fields. Returns readers of the document and of its spec, and its name."""
    version = document.get("apiVersion") if isinstance(document, Mapping) else None
    reader = KubeDirectorReader(document, "", problems, ALIASES if version == V1ALPHA1 else {})
    if reader.text("apiVersion", None, what=V1BETA1) not in (V1BETA1, V1ALPHA1, ""):
        reader.problem("apiVersion", f"{V1BETA1} or {V1ALPHA1}", show(version))
    found = reader.text("kind", None, what=kind)
    if found and found != kind:
        reader.problem("kind", kind, show(found))
    meta = reader.sub("metadata")
    name = meta.text("name", None, OBJECT_NAME, "a name of lower-case letters, digits, dashes and dots", 63)
    for other in _METADATA:
        meta.raw(other)
    meta.done()
    reader.raw("status")
    return reader, reader.sub("spec"), name
