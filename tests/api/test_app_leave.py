# SPDX-License-Identifier: GPL-3.0-or-later
"""Members that leave and restart, against a real API server; its controllers and kubelets, and the app, are played.

Steps that are commands need a kubelet: tests/unit/test_app_leave.py has those.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from played_cluster import Controllers, controlled, demo, rendered, running_app

LEAVING = "baremetal.bigdata/leaving"
COST = "controller.kubernetes.io/pod-deletion-cost"


class Scene:
    """A cluster of three members, and the app that they run: it counts the pods, until a test says otherwise."""

    def __init__(self, api, run_module, app, controllers: Controllers, kind: str, **role: Any) -> None:
        self.api, self.run_module, self.app, self.controllers, self.kind = api, run_module, app, controllers, kind
        self.role = role
        self.uncounted: set[str] = set()
        app.answers["/health"] = lambda: {"size": len(set(self.pods()) - self.uncounted), "safe": True}
        self.apply(3)
        self.wait(lambda: len(self.pods()) == 3, "three members")
        for pod in self.pods():
            app.answers[f"/done/{pod}"] = {"done": True}

    def cluster(self, members: int, **spec: Any) -> dict[str, Any]:
        return rendered(demo(self.app.port, kind=self.kind, **self.role), self.controllers.namespace, members, **spec)

    def apply(self, members: int, **spec: Any) -> None:
        self.rendered = self.cluster(members, **spec)
        result = self.run_module("app_apply", {"objects": self.rendered["objects"]})
        assert "failed" not in result, result

    def pods(self) -> dict[str, dict[str, Any]]:
        connection = self.api.connect()
        items = self.api.request("GET", self.controllers.pods_path, connection=connection)["items"]
        connection.close()
        return {item["metadata"]["name"]: item for item in items if item["status"].get("podIP")}

    def workload(self) -> dict[str, Any]:
        return self.api.request("GET", f"{self.controllers.path(self.kind)}/demo-worker")

    def wait(self, holds: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            assert self.controllers.failed is None, self.controllers.failed
            assert time.monotonic() < deadline, what
            time.sleep(0.05)

    def member(self, state: str, *flags: str, members: int = 2, timeout: int = 20, **more: Any) -> dict[str, Any]:
        stage = (self.cluster(members) if state == "left" else self.rendered)["stages"][0]
        arguments = {"namespace": self.controllers.namespace, "contract": stage["contract"], "timeout": timeout}
        if state == "left":
            arguments["members"] = members
        return self.run_module("app_leave" if state == "left" else "app_restart", {**arguments, **more}, *flags)


@pytest.fixture
def scene(api_server, run_module):
    """Makes a scene with `scene(kind, ...)`."""
    open_ones: list[Any] = []

    def make(kind: str = "StatefulSet", **role: Any) -> Scene:
        for context in (running_app(), controlled(api_server, api_server.namespace("member"))):
            open_ones.append((context, context.__enter__()))
        return Scene(api_server, run_module, open_ones[-2][1], open_ones[-1][1], kind, **role)

    yield make
    for context, _value in reversed(open_ones):
        context.__exit__(None, None, None)


def test_one_member_leaves_and_the_app_counts_the_rest(scene):
    it = scene()
    result = it.member("left")
    assert (result["changed"], result["member"], result["members"]) == (True, "demo-worker-2", 2)
    assert it.workload()["spec"]["replicas"] == 2
    assert sorted(it.pods()) == ["demo-worker-0", "demo-worker-1"]
    asked = [path for path in it.app.asked if path.startswith("/done/")]
    assert set(asked) == {"/done/demo-worker-2"}
    assert it.member("left") == {**it.member("left"), "changed": False, "members": 2}


def test_in_check_mode_nobody_leaves(scene):
    it = scene()
    assert it.member("left", "--check")["changed"] is False
    assert len(it.pods()) == 3


def test_nobody_leaves_while_data_is_not_safe(scene):
    it = scene()
    it.app.answers["/health"] = {"size": 3, "safe": False}
    result = it.member("left", timeout=1)
    assert "demo-worker-2 does not leave while demo-worker is not settled" in result["msg"]
    assert "data is not safe yet (false)" in result["msg"]
    assert result["msg"].endswith("run again: the run goes on where it stopped.")
    assert (it.workload()["spec"]["replicas"], len(it.pods())) == (3, 3)
    assert LEAVING not in it.pods()["demo-worker-2"]["metadata"].get("annotations", {})


def test_nobody_leaves_when_the_app_cannot_be_asked_whether_it_may(scene):
    it = scene(leave={"allowed": {"command": ["may-leave"]}})
    result = it.member("left", timeout=2)
    assert "demo-worker-2 may not leave role worker (2 would stay): " in result["msg"]
    assert it.workload()["spec"]["replicas"] == 3
    assert LEAVING not in it.pods()["demo-worker-2"]["metadata"].get("annotations", {})


def test_a_leave_that_was_interrupted_before_it_was_done_goes_on(scene):
    it = scene()
    it.app.answers["/done/demo-worker-2"] = {"done": False}
    result = it.member("left", timeout=2)
    assert "demo-worker-2 has not handed over everything after" in result["msg"]
    assert it.workload()["spec"]["replicas"] == 3
    assert it.pods()["demo-worker-2"]["metadata"]["annotations"][LEAVING] == "true"
    # By now it has: the app counts it no longer, and it takes no more requests.
    it.app.answers["/done/demo-worker-2"] = {"done": True}
    it.uncounted.add("demo-worker-2")
    it.controllers.broken.add("demo-worker-2")
    assert it.member("left")["member"] == "demo-worker-2"
    assert sorted(it.pods()) == ["demo-worker-0", "demo-worker-1"]


def test_a_leave_that_was_interrupted_before_the_app_counted_the_rest_needs_nothing_more(scene):
    it = scene()
    it.uncounted.add("demo-worker-0")
    it.app.answers["/health"] = lambda: {"size": 3, "safe": True}
    result = it.member("left", timeout=3)
    assert "demo-worker-2 has left, but demo-worker has not settled since" in result["msg"]
    assert it.workload()["spec"]["replicas"] == 2
    assert it.member("left")["changed"] is False


def test_it_waits_until_the_hand_over_is_done(scene):
    it = scene()
    it.app.answers["/done/demo-worker-2"] = {"done": False}
    timer = threading.Timer(2, it.app.answers.update, [{"/done/demo-worker-2": {"done": True}}])
    timer.start()
    result = it.member("left", timeout=60)
    assert result["changed"]
    assert result["waited"] >= 1


def test_more_than_one_at_a_time_is_refused(scene):
    it = scene()
    assert "expected 2 members of demo-worker, of which one leaves; found 3" in it.member("left", members=1)["msg"]
    assert len(it.pods()) == 3


def test_of_a_replication_controller_the_member_that_handed_over_is_the_one_that_goes(scene):
    it = scene("ReplicationController")
    names = sorted(it.pods())
    # The played controller takes the first by name where no cost says otherwise; the one that began is the last.
    it.api.request(
        "PATCH",
        f"{it.controllers.pods_path}/{names[-1]}",
        {"metadata": {"annotations": {LEAVING: "true"}}},
        content_type="application/merge-patch+json",
    )
    result = it.member("left")
    assert (result["changed"], result["member"]) == (True, names[-1])
    assert sorted(it.pods()) == names[:-1]
    assert it.workload()["spec"]["replicas"] == 2


def test_a_member_for_which_there_was_no_room_goes_at_once(scene):
    it = scene()
    it.controllers.broken.add("demo-worker-2")
    it.uncounted.add("demo-worker-2")
    assert it.member("left", timeout=10)["member"] == "demo-worker-2"
    assert sorted(it.pods()) == ["demo-worker-0", "demo-worker-1"]


def hashes(pods: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: pod["metadata"]["annotations"]["baremetal.bigdata/template-hash"] for name, pod in pods.items()}


@pytest.mark.parametrize("kind", ["StatefulSet", "ReplicationController"])
def test_a_member_restarts_with_the_new_configuration(scene, kind):
    it = scene(kind)
    before = it.pods()
    it.apply(3, parameters={"colour": "blue"})
    # The controller restarts nobody by itself.
    assert {name: pod["metadata"]["uid"] for name, pod in it.pods().items()} == {
        name: pod["metadata"]["uid"] for name, pod in before.items()
    }
    name = sorted(before)[-1]
    result = it.member("restarted", name=name)
    assert (result["changed"], result["member"]) == (True, name)
    after = it.pods()
    assert len(after) == 3
    wanted = it.rendered["stages"][0]["contract"]["template_hash"]
    new = [pod for pod in after.values() if pod["metadata"]["uid"] not in
           {old["metadata"]["uid"] for old in before.values()}]  # fmt: skip
    assert len(new) == 1
    assert list(hashes(after).values()).count(wanted) == 1
    assert it.member("restarted", name=name)["changed"] is False


def test_a_member_that_runs_the_present_configuration_or_is_gone_is_left_alone(scene):
    it = scene()
    before = it.pods()
    assert it.member("restarted", name="demo-worker-0")["changed"] is False
    assert it.member("restarted", name="demo-worker-7")["changed"] is False
    assert {pod["metadata"]["uid"] for pod in it.pods().values()} == {pod["metadata"]["uid"] for pod in before.values()}


def test_in_check_mode_nobody_restarts(scene):
    it = scene()
    it.apply(3, parameters={"colour": "blue"})
    assert it.member("restarted", "--check", name="demo-worker-0")["changed"] is False
    assert it.controllers.history == [f"made demo-worker-{number}" for number in range(3)]


def test_nobody_restarts_while_the_app_does_not_count_all(scene):
    it = scene()
    it.apply(3, parameters={"colour": "blue"})
    it.uncounted.add("demo-worker-0")
    result = it.member("restarted", name="demo-worker-1", timeout=2)
    assert "demo-worker-1 does not restart while demo-worker is not settled" in result["msg"]
    assert "counts 2 members, 3 wanted" in result["msg"]
    assert not [line for line in it.controllers.history if line.startswith("gone")]


def test_a_member_that_does_not_work_restarts_without_waiting_for_it(scene):
    it = scene()
    it.controllers.broken.add("demo-worker-1")
    it.wait(lambda: it.workload()["status"]["readyReplicas"] == 2, "a member that does not work")
    it.apply(3, parameters={"colour": "blue"})
    # The new configuration mends it.
    threading.Timer(2, it.controllers.broken.clear).start()
    result = it.member("restarted", name="demo-worker-1", timeout=60)
    assert (result["changed"], "failed" in result) == (True, False)
    assert it.controllers.history[-2:] == ["gone demo-worker-1", "made demo-worker-1"]


def test_a_restart_after_which_the_member_does_not_work_stops_the_run(scene):
    it = scene()
    it.apply(3, parameters={"colour": "blue"})
    name = "demo-worker-2"
    # It breaks as soon as it is made anew.
    gone = threading.Thread(
        target=lambda: (
            it.wait(lambda: f"gone {name}" in it.controllers.history, "its restart"),
            it.controllers.broken.add(name),
        )
    )
    gone.start()
    result = it.member("restarted", name=name, timeout=4)
    gone.join()
    assert f"after the restart of {name}, demo-worker has not settled: " in result["msg"]
    assert "run again" in result["msg"]
