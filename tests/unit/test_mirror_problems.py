# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a host cannot be the site's mirror."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.filter.mirror_problems import (
    address_problems,
    mirror_problems,
    port_problems,
    space_problems,
)
from hypothesis import given
from hypothesis import strategies as st

NGINX = {"port": 443, "process": "nginx", "pid": 7, "unit": "nginx.service"}
REGISTRY = {"port": 5000, "process": "registry", "pid": 8, "unit": "mirror-registry.service"}
DATA = "/srv/mirror"
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)


def disks(free: float = 100.0, registry: str = "/srv") -> dict:
    return {
        DATA: {"parent": "/srv", "free_gb": free, "total_gb": 200.0},
        f"{DATA}/registry": {"parent": registry, "free_gb": free, "total_gb": 200.0},
    }


def problems(**changes) -> list[str]:
    facts = {"listeners": changes.pop("listeners", []), "disks": changes.pop("disks", disks())}
    settings = {
        "host": "mirror1",
        "url": "https://mirror1",
        "names": ["mirror1"],
        "data_dir": DATA,
        "web_is_ours": False,
        "registry_port": 5000,
    }
    return mirror_problems(facts, **{**settings, **changes})


def test_a_bare_host_and_a_mirror_can_be_one():
    assert problems() == []
    assert problems(listeners=[NGINX, REGISTRY], web_is_ours=True) == []
    # In a container of the lab, or where the unit cannot be told.
    assert problems(listeners=[{**NGINX, "unit": ""}], web_is_ours=True) == []


@pytest.mark.parametrize(
    ("listener", "ours", "said"),
    [
        (
            {**NGINX, "process": "haproxy", "unit": "haproxy.service"},
            False,
            "expected port 443/tcp to be free for the mirror's nginx, found it taken by haproxy (process 7, unit "
            "haproxy.service). Stop the service haproxy.service, or take another host.",
        ),
        (
            NGINX,
            False,
            "expected port 443/tcp to be free for the mirror's nginx, found it taken by nginx with a configuration "
            "that is not the mirror's (process 7, unit nginx.service). Stop the service nginx.service, or take "
            "another host.",
        ),
        (
            {**REGISTRY, "unit": "their-registry.service"},
            True,
            "expected port 5000/tcp to be free for the mirror's registry, found it taken by registry (process 8, unit "
            "their-registry.service). Stop the service their-registry.service, or take another host.",
        ),
        (
            {**REGISTRY, "process": "", "pid": None, "unit": ""},
            True,
            "expected port 5000/tcp to be free for the mirror's registry, found it taken by the kernel. "
            "Free it, or take another host.",
        ),
    ],
    ids=["another program", "another web server", "another registry", "nobody knows"],
)
def test_a_taken_port(listener, ours, said):
    assert port_problems([listener], ours, 5000) == [said]


def test_a_port_is_said_once():
    taken = {**NGINX, "process": "haproxy"}
    assert len(port_problems([taken, {**taken, "pid": 9}], False, 5000)) == 1


@given(host=st.lists(LABEL, min_size=1, max_size=4).map(".".join), port=st.integers(1, 65535))
def test_names_of_the_certificate(host, port):
    url = f"https://{host}:{port}"
    assert address_problems(url, ["other", host]) == []
    assert address_problems(url.upper().replace("HTTPS", "https"), [host]) == []
    assert len(address_problems(url, [f"x{host}", f"{host}.x", ""])) == 1
    # A star is one label, neither none nor two.
    assert address_problems(f"https://a.{host}", [f"*.{host}"]) == []
    assert len(address_problems(f"https://a.b.{host}", [f"*.{host}"])) == 1
    assert len(address_problems(f"https://{host}", [f"*.{host}"])) == 1


@pytest.mark.parametrize("url", ["http://mirror1", "mirror1", "https://", "https:///files", "https://[::1"])
def test_an_address_that_is_none(url):
    assert problems(url=url) == [
        f"Host mirror1: expected cluster_mirror_url to be https://HOST, found '{url}'. "
        "Correct it for all hosts of the site."
    ]


def test_a_name_that_the_certificate_does_not_have():
    assert problems(url="https://mirror.example", names=["mirror1", ""]) == [
        "Host mirror1: expected the certificate to have mirror.example, by which cluster_mirror_url calls the mirror, "
        "found mirror1. Add it to mirror_server_names."
    ]


@pytest.mark.parametrize(
    ("free", "files", "images", "answers", "registry", "fits"),
    [
        (5.0, 1, 2, False, "/srv", True),
        (4.9, 1, 2, False, "/srv", False),
        # Its images are there, and are not told: a mirror whose registry does not run.
        (1.0, 1, 2, False, f"{DATA}/registry", True),
        # It runs, and has said what it lacks.
        (1.0, 1, 2, True, f"{DATA}/registry", False),
        (0.0, 0, 0, True, "/srv", True),
    ],
)
def test_space(free, files, images, answers, registry, fits):
    found = space_problems(disks(free, registry), DATA, files * 10**9, images * 10**9, answers)
    assert (found == []) is fits


def test_too_small_a_disk_is_told(tmp_path):
    image = tmp_path / "image.tar"
    with image.open("wb") as stream:
        stream.truncate(3 * 10**9)
    assert problems(images=[str(image)], disks=disks(2.5)) == [
        "Host mirror1: expected 6.0 GB free for mirror_data_dir, /srv/mirror (files 0.0 GB; images 3.0 GB, twice while "
        "they are pushed), found 2.5 GB of 200.0 GB on the file system of /srv. Free or add space, hold fewer releases "
        "or apps, or set mirror_data_dir."
    ]


def test_a_zone_that_is_not_there():
    assert problems(zone="public", zones=["public", "trusted"]) == []
    assert problems(zone="public", zones=["public"]) == []
    assert problems(zone="dmz") == []
    assert problems(zone="pubic", zones=["trusted", "public"]) == [
        "Host mirror1: expected mirror_firewall_zone to be a zone of firewalld, one of public, trusted, found "
        "'pubic'. Correct it, or make the zone first."
    ]


def test_a_cache_that_is_gone():
    assert problems(files=["/nowhere/kubelet", "/nowhere/kubeadm"]) == [
        "Host mirror1: expected what the bundle names to be on the controller, found 2 missing, the first "
        "/nowhere/kubelet. Collect it again: run the mirror playbook without --tags publish."
    ]


def test_a_host_with_the_authoritys_name():
    assert problems(host="ca") == [
        "Host ca: expected another name for it in the inventory: ca is the authority's. Rename it."
    ]
