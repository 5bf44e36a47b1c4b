# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles of apps as playbooks run them, one of another collection among them. No cluster is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

# A role as docs/apps/definitions.md describes it, which says that it ran instead of running anything.
ROLE = {
    "files/app.yml": {
        "apiVersion": "bigdata.baremetal/v1alpha1",
        "kind": "App",
        "metadata": {"name": "store", "version": "1"},
        "spec": {"roles": [{"id": "server", "cardinality": "1+", "image": "registry.example/store:1"}]},
    },
    "defaults/main.yml": {
        "store_state": "present",
        "store_name": "store",
        "store_namespace": "apps",
        "store_members": 2,
        "store_timeout": 60,
        "store_settings": {},
    },
    "vars/main.yml": {
        "__store_places": {
            "store_name": "metadata.name",
            "store_namespace": "metadata.namespace",
            "store_members": "spec.roles.server.members",
        }
    },
    "tasks/validate.yml": [
        {"ansible.builtin.include_role": {"name": "baremetal.bigdata.app_cluster", "tasks_from": "role.yml"}}
    ],
    "tasks/main.yml": [
        {"ansible.builtin.include_tasks": "validate.yml"},
        {"ansible.builtin.debug": {"msg": "store runs {{ __app_cluster_of_role.cluster.spec.roles.server.members }}"}},
    ],
}
# One that fails where a host is away.
BROKEN = {
    "meta/main.yml": {"dependencies": []},
    "tasks/validate.yml": [
        {
            "ansible.builtin.set_fact": {
                "__app_cluster_of_role": {"cluster": {"metadata": {"namespace": "apps", "name": "{{ role_name }}"}}}
            }
        }
    ],
    "tasks/main.yml": [
        {
            "name": "Wait for members",
            "ansible.builtin.fail": {"msg": "member broken-{{ item }} waits for host worker2"},
            "loop": [0, 1],
        },
        {"ansible.builtin.debug": {"msg": "broken runs"}},
    ],
}
# Others: what fails may not be shown; its role needs another that is not there.
FAILING = {
    "broken": BROKEN["tasks/main.yml"],
    "quiet": [
        {"name": "Log in", "ansible.builtin.fail": {"msg": "wrong: hunter{{ item }}"}, "loop": [2], "no_log": True}
    ],
    "lost": [{"name": "Ask another role", "ansible.builtin.include_role": {"name": "site.apps.nowhere"}}],
}
PLAYBOOKS = {
    "apps.yml": [{"ansible.builtin.import_playbook": "baremetal.bigdata.apps", "tags": ["around"]}],
    "cassandra.yml": [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": [
                {
                    "ansible.builtin.include_role": {
                        "name": "baremetal.bigdata.cassandra",
                        "tasks_from": "validate.yml",
                    }
                }
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    collection = directory / "ansible_collections/site/apps"
    files = {f"store/{name}": content for name, content in ROLE.items()}
    for role, tasks in FAILING.items():
        files |= {f"{role}/{name}": content for name, content in {**BROKEN, "tasks/main.yml": tasks}.items()}
    for name, content in files.items():
        file = collection / "roles" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content))
    for name, content in PLAYBOOKS.items():
        (directory / name).write_text(yaml.safe_dump(content))
    return directory


def run(site, playbook, *arguments, **variables):
    return subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            "-i",
            "localhost,",
            playbook,
            "-e",
            json.dumps(variables),
            *arguments,
        ],
        cwd=site,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": f"{site}:{ROOT / '.collections'}",
            "ANSIBLE_LOCAL_TEMP": str(site / "local"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("tags", "runs"),
    [
        ([], True),
        (["--tags", "store"], True),
        (["--tags", "apps"], True),
        (["--tags", "tagged"], True),
        # A site's own playbook gives its tags to what it imports.
        (["--tags", "around"], True),
        (["--tags", "hazelcast"], False),
        (["--skip-tags", "store"], False),
        (["--skip-tags", "apps"], False),
        (["--skip-tags", "around"], False),
        (["--skip-tags", "all"], False),
    ],
    ids=lambda value: "-".join(value).strip("-") or "all" if isinstance(value, list) else None,
)
def test_tags_say_whether_an_app_of_another_collection_runs(site, tags, runs):
    done = run(site, "apps.yml", *tags, apps_enabled=["site.apps.store"], store_members="3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("store runs 3" in done.stdout) is runs


def test_problems_of_an_app_of_another_collection_are_told_before_it_runs(site):
    wrong = {"spec": {"roles": {"server": {"afinity": {"nodeAffinity": {}}}}}}
    done = run(site, "apps.yml", apps_enabled=["site.apps.store"], store_members=0, store_settings=wrong)
    assert done.returncode != 0
    assert "role store:\n" in done.stdout.replace("\\n", "\n")
    assert "store_members: expected 1 or more members of role server, found 0" in done.stdout
    assert "store_settings.spec.roles.server.afinity: expected one of" in done.stdout
    assert "store runs" not in done.stdout


def test_an_app_that_fails_keeps_no_other_from_its_run_and_is_named_at_the_end(site):
    done = run(site, "apps.yml", apps_enabled=["site.apps.broken", "site.apps.store"])
    assert done.returncode == 2, done.stdout + done.stderr
    assert "broken runs" not in done.stdout
    assert done.stdout.index("waits for host worker2") < done.stdout.index("store runs 2")
    end = done.stdout[done.stdout.index("Refuse to end well where an app has failed") :].replace("\\n", "\n")
    assert "expected that every app runs, found that these do not; the others had their run:\n" in end
    assert "\nsite.apps.broken: Wait for members: member broken-1 waits for host worker2\n" in end.replace(
        "\n        ", "\n"
    )


@pytest.mark.parametrize(
    ("role", "named"),
    [("quiet", "site.apps.quiet: Log in: see above"), ("lost", "site.apps.lost: a task: ")],
)
def test_whatever_fails_the_others_run_and_no_secret_is_told(site, role, named):
    done = run(site, "apps.yml", apps_enabled=[f"site.apps.{role}", "site.apps.store"])
    assert done.returncode == 2, done.stdout + done.stderr
    assert "store runs 2" in done.stdout
    end = done.stdout[done.stdout.index("Refuse to end well where an app has failed") :]
    assert named in end
    assert "hunter" not in end


def test_what_one_app_said_is_not_told_of_the_next(site):
    done = run(site, "apps.yml", apps_enabled=["site.apps.broken", "site.apps.lost", "site.apps.store"])
    end = done.stdout[done.stdout.index("Refuse to end well where an app has failed") :]
    assert "site.apps.lost: a task: see above" in end
    assert "store runs 2" in done.stdout


def test_an_app_cluster_that_fails_keeps_no_other_from_its_run(site):
    listed = [
        {"name": name, "definition": {**ROLE["files/app.yml"], "metadata": {"name": name, "version": "1"}}}
        for name in ("first", "second")
    ]
    done = run(site, "apps.yml", apps_enabled=[], app_clusters=listed, cluster_kubeconfig="/nowhere")
    end = done.stdout[done.stdout.index("Refuse to end well where an app has failed") :]
    assert "app cluster first: Listed | Read what was applied before: " in end
    assert "app cluster second: Listed | Read what was applied before: " in end


def cassandra(config):
    return {"spec": {"roles": {"worker": {"config": {"cassandra.yaml": config}}}}}


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"cassandra_config": {"seed_provider": "x"}}, "cassandra_config: expected none of what each member says"),
        ({"cassandra_settings": cassandra({"seed_provider": "x"})}, "cassandra_config: expected none of what each"),
        ({"cassandra_user": "Bob"}, "cassandra_user: expected lower-case letters"),
        (
            {"cassandra_settings": {"spec": {"parameters": {"user": "cassandra"}}}},
            "cassandra_user: expected lower-case",
        ),
        ({"cassandra_config": {"concurrent_reads": 64}, "cassandra_settings": cassandra({"concurrent_writes": 1})}, ""),
    ],
)
def test_what_cassandra_refuses_is_refused_by_whatever_variable(site, variables, problem):
    done = run(site, "cassandra.yml", **variables)
    assert (done.returncode == 0) is (problem == ""), done.stdout + done.stderr
    assert problem in done.stdout


HAZELCAST = {"apps_enabled": ["hazelcast"]}
SPARK = {"apps_enabled": ["spark"]}


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"apps_enabled": "hazelcast"}, 'of other collections (NAMESPACE.COLLECTION.ROLE), found "hazelcast".'),
        ({"apps_enabled": {"hazelcast": True}}, '(NAMESPACE.COLLECTION.ROLE), found {"hazelcast": true}.'),
        ({"apps_enabled": [{"hazelcast": {}}]}, '(NAMESPACE.COLLECTION.ROLE), found [{"hazelcast": {}}].'),
        ({"apps_enabled": ["hazelcats"]}, "(NAMESPACE.COLLECTION.ROLE), found hazelcats."),
        ({"apps_enable": ["hazelcast"]}, "misspelt: did you mean apps_enabled?"),
        ({**HAZELCAST, "hazelcast_replcas": 5}, "misspelt: did you mean hazelcast_replicas?"),
        ({**HAZELCAST, "hazelcast_team": "a", "preflight_own_variables": ["hazelcast_te*"]}, ""),
        ({"app_clusters": "a.yml"}, 'expected a list of mappings, each with a definition; found "a.yml".'),
        (
            {**HAZELCAST, "hazelcast_heap": 600},
            "hazelcast_memory: expected at least 728Mi, for hazelcast_heap, 600 MiB, and 128 MiB beside it, found "
            "'512Mi'. Raise hazelcast_memory, or lower hazelcast_heap.",
        ),
        (
            {**SPARK, "spark_worker_offer": 2000},
            "spark_worker_memory: expected at least 2512Mi, for spark_worker_heap, 128 MiB, and 128 MiB beside it; "
            "spark_worker_offer, 2000 MiB, and 256 MiB beside it, found '1280Mi'. Raise spark_worker_memory, or lower "
            "spark_worker_heap or spark_worker_offer.",
        ),
        (
            {**SPARK, "spark_controller_memory": "300Mi"},
            "spark_controller_memory: expected at least 442Mi, for spark_controller_heap, 192 MiB, and 250 MiB",
        ),
        (
            {"apps_enabled": ["cassandra"], "cassandra_heap": 2000},
            "cassandra_memory: expected at least 2300Mi, for cassandra_heap, 2000 MiB, and 300 MiB beside it",
        ),
        (
            {**HAZELCAST, "hazelcast_config": {"hazelcast": {"map": {}}}},
            "hazelcast_config.hazelcast: expected what is below hazelcast in hazelcast.yaml, found hazelcast once "
            "more. Take out this level.",
        ),
        (
            {**SPARK, "spark_worker_config": {"spark-defaults.conf": {"spark.worker.timeout": 60}}},
            "spark_worker_config.spark-defaults.conf: expected what is in spark-defaults.conf, found spark-defau",
        ),
        (
            {**SPARK, "spark_worker_config": {"spark": {"worker": {"timeout": 60}}}},
            "spark_worker_config.spark: expected a text, a number, true or false, found a mapping. Write spark.NAME",
        ),
        (
            {**HAZELCAST, "hazelcast_tolerations": [{"key": "a", "operator": "Equals"}]},
            "hazelcast_tolerations[0].operator: expected one of Exists, Equal, found 'Equals'",
        ),
        (
            {**HAZELCAST, "hazelcast_node_selector": "disk=ssd"},
            "hazelcast_node_selector: expected a mapping, found 'disk=ssd'. On the command line: -e "
            "'{\"hazelcast_node_selector\": {...}}'.",
        ),
        (
            {**SPARK, "spark_tolerations": "[]"},
            "",
        ),
    ],
)
def test_what_cannot_work_together_is_refused_with_what_was_written(site, variables, problem):
    done = run(site, "apps.yml", "--tags", "nothing", **variables)
    said = " ".join((done.stdout + done.stderr).replace('\\"', '"').split())
    assert (done.returncode == 0) is (problem == ""), said
    assert problem in said
