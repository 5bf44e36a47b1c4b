# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kubernetes takes as names, keys, values, paths and sizes: what its API server or a kubelet would refuse is
refused before a run. Pure.

Each pattern is for a whole text, and means the same in Python and in JSON Schema. Sources:
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and ``labels/``, the validation of the API's
types (apimachinery/pkg/util/validation, pkg/apis/core/validation), and the grammar of references of
https://github.com/distribution/reference.
"""

from __future__ import annotations

from dataclasses import dataclass

# Of the API's types int32 and int64, and of a quantity: it caps what is more without a word.
INT32 = 2**31 - 1
INT64 = 2**63 - 1
# Bytes of a ConfigMap's or a Secret's values together; of an object's annotations; of an object in etcd.
MAX_DATA = 1024 * 1024
MAX_ANNOTATIONS = 256 * 1024
MAX_OBJECT = 1536 * 1024
# Characters of a DNS label, of which Services' names are.
MAX_LABEL = 63
# Domains of a pod's dnsConfig.searches, and their characters with a blank between each two.
MAX_SEARCHES = 32
MAX_SEARCHED = 2048
# What one Kubernetes cluster runs: https://kubernetes.io/docs/setup/best-practices/cluster-large/.
MAX_PODS = 150_000


@dataclass(frozen=True)
class Grammar:
    """What a text has to be: a pattern for all of it, and how a message names that."""

    pattern: str
    what: str


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
# The part after the slash of a label's name, and a label's value.
_NAME = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_QUALIFIED = rf"((?=[^/]{{1,253}}/){_SUBDOMAIN}/)?{_NAME}"
# Annotations' names are compared in lower case.
_ANNOTATION = rf"((?=[^/]{{1,253}}/){_SUBDOMAIN.replace('a-z', 'A-Za-z')}/)?{_NAME}"
_NO_DOTS = r"(?!(.|\n)*/\.\.?(/|$))"
_PLACEHOLDER = r"\$\([a-z][a-z0-9_.-]*\)"

SUBDOMAIN = Grammar(
    rf"(?=.{{1,253}}$){_SUBDOMAIN}", "a name of at most 253 lower-case letters, digits, dashes and dots"
)
DNS_LABEL = Grammar(
    rf"(?=.{{1,{MAX_LABEL}}}$){_LABEL}", f"a name of at most {MAX_LABEL} lower-case letters, digits and dashes"
)
# A subdomain, before placeholders are replaced.
SUBDOMAIN_TEMPLATE = Grammar(
    rf"(?=.{{1,500}}$)([-.a-z0-9]|{_PLACEHOLDER})+",
    "a name of lower-case letters, digits, dashes and dots, or placeholders such as $(cluster.name)",
)
PORT_NAME = Grammar(
    "[a-z](-?[a-z0-9])*", "a name of lower-case letters, digits and single dashes that starts with a letter"
)
LABEL_NAME = Grammar(_QUALIFIED, "a label's name such as tier or example.com/tier, of at most 63 characters")
# Not those by which the engine and Kubernetes' controllers find objects.
OWN_LABEL_NAME = Grammar(
    r"(?!baremetal\.bigdata/|statefulset\.kubernetes\.io/|app\.kubernetes\.io/(name|instance|component|managed-by)$"
    rf"|(controller-revision-hash|pod-template-hash)$){_QUALIFIED}",
    "a label's name such as tier or example.com/tier, of at most 63 characters, that is none of the engine's own",
)
LABEL_VALUE = Grammar(f"({_NAME})?", "a label's value: at most 63 letters, digits, dashes, dots and underscores")
ANNOTATION_NAME = Grammar(
    rf"(?!baremetal\.bigdata/){_ANNOTATION}",
    "an annotation's name such as example.com/note, of at most 63 characters, that is none of the engine's own",
)
ENV_NAME = Grammar("[ -<>-~]+", "a variable's name of printable ASCII characters without =")
DATA_KEY = Grammar(
    r"(?=.{1,253}$)(?!\.\.|\.$)[-._a-zA-Z0-9]+",
    "a key of letters, digits, dashes, dots and underscores, of at most 253 characters, that is not . and begins with "
    "no two dots",
)
FILE_NAME = Grammar(
    DATA_KEY.pattern,
    "a file name of letters, digits, dashes, dots and underscores, of at most 253 characters, that is not . and begins "
    "with no two dots",
)
# Where something is mounted: runtimes part options by colons.
PATH = Grammar(rf"{_NO_DOTS}/[^:\x00-\x1f]*", "an absolute path without .. and colons")
URL_PATH = Grammar(r"/[^\x00-\x20\x7f]*", "a path that starts with / and has no blanks")
FIELD = Grammar(
    r"metadata\.(name|namespace|uid)|spec\.(nodeName|serviceAccountName)|status\.(hostIP|hostIPs|podIP|podIPs)"
    rf"|metadata\.(labels\['{_QUALIFIED}'\]|annotations\['{_ANNOTATION}'\])",
    "a field of the pod: metadata.name, metadata.namespace, metadata.uid, spec.nodeName, spec.serviceAccountName, "
    "status.hostIP, status.podIP, metadata.labels['NAME'] or metadata.annotations['NAME']",
)
_WORD = "[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?"
_HOST = rf"({_WORD}(\.{_WORD})*|\[[a-fA-F0-9:]+\])(:[0-9]+)?"
_COMPONENT = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"
# Those that registries and runtimes know: https://github.com/opencontainers/go-digest.
_DIGEST = "sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}"
IMAGE = Grammar(
    rf"(?=[^@]{{1,384}}(@|$))(?=.{{1,600}}$)({_HOST}/)?{_COMPONENT}(/{_COMPONENT})*(:[A-Za-z0-9_][-A-Za-z0-9_.]{{0,127}})?"
    rf"(@({_DIGEST}))?",
    "an image such as registry.example:5000/apps/spark:4.3.0, in lower case but for the tag, "
    "with a whole digest or none",
)
# Linux' capabilities (capabilities(7)), as Kubernetes has them: without CAP_.
CAPABILITIES = (
    *("ALL", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE"),
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"),
    *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE"),
    *("NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN"),
    *("SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM"),
)
# Resources of a container that have no domain, but for cpu and memory.
_DOMAINLESS = r"ephemeral-storage|hugepages-[0-9]+[KMGTPE]i"
RESOURCE_NAME = Grammar(
    rf"{_DOMAINLESS}|(?!requests\.)(?=[^/]{{1,200}}/){_SUBDOMAIN}/[A-Za-z0-9]([-A-Za-z0-9_.]{{0,53}}[A-Za-z0-9])?",
    "a resource with its domain such as nvidia.com/gpu, or ephemeral-storage or hugepages-2Mi",
)
