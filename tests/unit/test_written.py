# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that Ansible's YAML has read as others than are written."""

from __future__ import annotations

import os
import threading

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible_collections.baremetal.bigdata.plugins.filter.app_render import app_render
from ansible_collections.baremetal.bigdata.plugins.filter.app_settings import app_settings
from ansible_collections.baremetal.bigdata.plugins.filter.app_translate import app_translate
from ansible_collections.baremetal.bigdata.plugins.plugin_utils.written import misread_numbers

APP = {"kind": "App", "metadata": {"name": "store"}, "spec": {"roles": [{"id": "server", "image": "a/b:1"}]}}


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        path = tmp_path / "vars.yml"
        path.write_text(text)
        return DataLoader().load_from_file(str(path), cache="none"), path

    return load_text


def said(path, line, written, value):
    return (
        f"{path}, line {line}: expected what means the same to every reader, found {written}, "
        f"which YAML reads as {value}. Put it in quotes if it is a text, or write {value}."
    )


def test_numbers_that_are_not_written_as_they_are_read(load):
    data, path = load("a: {b: 0027, c: [1_000, 31]}\nd:\n  - 0x1F\n  - '0027'\ne: 0\nf: -5\ng: +5\nh: 0b11\ni: 1e3\n")
    assert [str(problem) for problem in misread_numbers(data)] == [
        said(path, 1, "0027", 23),
        said(path, 1, "1_000", 1000),
        said(path, 3, "0x1F", 31),
        said(path, 7, "+5", 5),
        said(path, 8, "0b11", 3),
    ]


def test_numbers_in_other_disguises(load):
    data, path = load(
        "a: 22:30\nb: -1:30\nc: &x 0027\nd: *x\ne: !!int 0644\nf: 1.10\ng: 0.00001\nh: [1:30:00, 0.5, -2.0]\ni: .inf\n"
        "j: 1.5e+3\nk: &y !!int 0x1F\nl: &z 7\nm: 1_0.5\nn: '22:30'\n"
    )
    assert [str(problem) for problem in misread_numbers(data)] == [
        said(path, 1, "22:30", 1350),
        said(path, 2, "-1:30", -90),
        said(path, 3, "0027", 23),
        said(path, 5, "0644", 420),
        said(path, 6, "1.10", 1.1),
        said(path, 7, "0.00001", 1e-05),
        said(path, 8, "1:30:00", 5400),
        said(path, 10, "1.5e+3", 1500.0),
        said(path, 11, "0x1F", 31),
        said(path, 13, "1_0.5", 10.5),
    ]


def test_a_file_that_has_changed_since_says_nothing(load):
    data, path = load("a: 0027\n")
    path.write_text("b: 5, 6, 7\n")
    assert misread_numbers(data) == []
    path.unlink()
    assert misread_numbers(data) == []


def test_a_pipe_is_not_read_again(load):
    data, path = load("a: 0027\n")
    path.unlink()
    os.mkfifo(path)
    done = threading.Thread(target=lambda: misread_numbers(data), daemon=True)
    done.start()
    done.join(10)
    waits = done.is_alive()
    if waits:
        path.open("w").close()
    assert not waits


def test_settings_of_an_apps_role(load):
    further, path = load("spec:\n  roles:\n    server:\n      env: {UMASK: 0027, PORT: 8080}\n")
    places = {"store_name": "metadata.name", "store_namespace": "metadata.namespace"}
    found = app_settings(
        places, {"store_name": "a", "store_namespace": "b"}, APP, "cluster.local", further, "store_settings"
    )
    assert found["problems"] == [said(path, 4, "0027", 23)]


def test_documents_that_are_given_as_data(load):
    cluster, path = load(
        "kind: AppCluster\nmetadata: {name: a, namespace: b}\nspec: {roles: {server: {env: {UMASK: 0027}}}}\n"
    )
    for call in (app_translate, app_render):
        with pytest.raises(AnsibleFilterError) as error:
            call(APP, cluster)
        assert str(error.value).endswith("cannot be used:\n" + said(path, 3, "0027", 23))


def test_modes_in_kubedirectors_documents_are_numbers(load):
    text = "apiVersion: kubedirector.hpe.com/v1beta1\ndefaultMode: 0440\npodLabels: {members: 007}\nmembers: 1\n"
    data, path = load(text)
    assert [str(problem) for problem in misread_numbers(data)] == [said(path, 3, "007", 7)]
