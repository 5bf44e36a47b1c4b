# SPDX-License-Identifier: GPL-3.0-or-later
"""The story callback, in real runs of ansible-playbook on this machine."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAYBOOK = pathlib.Path(sys.executable).parent / "ansible-playbook"
CONFIG = f"""
[defaults]
inventory = hosts
collections_path = {ROOT / ".collections"}
stdout_callback = baremetal.bigdata.story
deprecation_warnings = false
"""
HOSTS = "one ansible_connection=local\ntwo ansible_connection=local\n"
TASKS = """
- name: First phase
  hosts: all
  gather_facts: false
  tasks:
    - name: Change {{ what }}
      ansible.builtin.copy:
        content: "new\\n"
        dest: "{{ playbook_dir }}/{{ inventory_hostname }}.txt"
        mode: "0644"
    - name: Change nothing
      ansible.builtin.ping:
    - name: Skip this
      ansible.builtin.ping:
      when: false
    - name: Take a while
      ansible.builtin.command: sleep 2.5
      changed_when: false
      check_mode: false
      when: slow | default(false) and inventory_hostname == 'two'
    - name: Mind the block
      when: rescued | default(false)
      block:
        - name: Go wrong once
          ansible.builtin.fail:
            msg: once
      rescue:
        - name: Put it right
          ansible.builtin.ping:
    - name: Report
      ansible.builtin.set_stats:
        data: {story: {up: {Kubernetes: 3 nodes Ready}, next: {Look: kubectl get nodes}}}
- name: Second phase
  hosts: all
  gather_facts: false
  tasks:
    - name: Refuse
      ansible.builtin.fail:
        msg: "expected this,\\nfound \\"that\\""
      when: refuse | default(false)
    - name: Hide the reason
      ansible.builtin.command: "sh -c 'echo s3cret; exit 1'"
      no_log: true
      when: hide | default(false)
- name: Third phase
  hosts: all
  gather_facts: false
  tasks: []
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "ansible.cfg").write_text(CONFIG)
    (tmp_path / "hosts").write_text(HOSTS + f"[all:vars]\nansible_python_interpreter={sys.executable}\n")
    (tmp_path / "site.yml").write_text(TASKS)

    def _run(*arguments, progress="0"):
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "BB_"))}
        environment |= {"BB_STORY_JSON": str(tmp_path / "story.json"), "BB_STORY_PROGRESS": progress}
        environment["ANSIBLE_LOCAL_TEMP"] = str(tmp_path / "tmp")
        done = subprocess.run(
            [PLAYBOOK, "site.yml", "-e", "what=files my_password=hunter2", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "[ERROR]" not in done.stderr, done.stderr
        return done.returncode, done.stdout, json.loads((tmp_path / "story.json").read_text())

    return _run


def test_a_good_run(run):
    code, out, figures = run("-e", '{"rescued": true, "slow": true}', "--diff", progress="1")
    assert code == 0
    assert "1/3 First phase  on one, two" in out
    assert "  changed  Change files  [one, two]\n" in out
    # Alike on both hosts but for the file's name.
    assert out.count("    +new\n") == 2
    # A machine that is busy makes it a task that takes long, which is said.
    assert not [line for line in out.splitlines() if "Change nothing" in line and "still on" not in line]
    assert "Skip this" not in out
    assert re.search(r"  \.\.\. \d\.\d s  Take a while  \[still on two\]", out)
    assert re.search(r"^one +: ok=\d+ +changed=1 +unreachable=0 +failed=0 +skipped=\d+ +rescued=1", out, re.MULTILINE)
    assert "rescue follows  Go wrong once" in out
    assert "To resume" not in out
    assert out.rstrip().endswith("Up\n  Kubernetes  3 nodes Ready\n\nNext\n  Look  kubectl get nodes")
    assert figures["changed"] == {"one": 1, "two": 1}
    assert (figures["complete"], figures["failed"], figures["failures"]) == (True, False, [])
    assert figures["skip_share"] == pytest.approx(figures["results"]["skipped"] / figures["task_results"], abs=1e-4)
    assert [phase["name"] for phase in figures["phases"]] == ["First phase", "Second phase", "Third phase"]


def test_a_failed_run_tells_where_and_how_to_resume(run):
    code, out, figures = run("-e", '{"refuse": true}')
    assert code == 2
    assert '    expected this,\n    found "that"\n' in out
    assert "    at site.yml:" in out
    assert "    the same as the host before" in out
    assert "Not started: Third phase" in out
    assert "Up\n  Kubernetes  3 nodes Ready" in out
    assert "kubectl get nodes" not in out
    assert "ansible-playbook site.yml -e 'what=files my_password=********'" in out
    assert "--limit" not in out
    assert "hunter2" not in out
    assert {found["host"] for found in figures["failures"]} == {"one", "two"}


def test_a_check_says_what_would_change(run):
    code, out, figures = run("--check")
    assert code == 0
    assert "  would change  Change files  [one, two]\n" in out
    assert "nothing was changed, 2 task results would be" in out
    assert "Kubernetes" not in out
    assert figures["check"] is True


def test_verbose_is_default_with_the_closing_summary(run):
    code, out, _figures = run("-v", "-e", '{"hide": true}')
    assert code == 2
    assert "TASK [Change nothing]" in out
    assert "ok: [one]" in out
    assert "s3cret" not in out
    assert "no_log: true" in out
    assert "PHASES" in out
    assert "Kubernetes  3 nodes Ready" in out
    assert "To resume" in out
