# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's own word. usage: controller.py alive | may-leave ADDRESS | left ADDRESS"""
import json
import sys
import urllib.request

URL = "http://127.0.0.1:$(services.webui.port)/json/"


def alive(state):
    status = state["status"]
    return "" if status == "ALIVE" else f"the controller is {status}, not ALIVE: wait until it has recovered"


def may_leave(state, address):
    stay = [one for one in state["workers"] if one["state"] == "ALIVE" and one["host"] != address]
    for app in state["activeapps"]:
        needs = app.get("memoryperexecutor") or app.get("memoryperslave") or 0
        if all(one["memory"] < needs for one in stay):
            return (
                f"application {app['id']} ({app['name']}) needs a worker with {needs} MiB, and none of the "
                f"{len(stay)} that stay offers them: wait for its end, or give workers more memory"
            )
    return alive(state)


def executors(address):
    """How many executors a worker itself still runs; one that does not answer has gone."""
    try:
        with urllib.request.urlopen(f"http://{address}:$(services.worker-webui.port)/json/", timeout=5) as answer:
            return len(json.load(answer)["executors"])
    except OSError:
        return 0


def left(state, address):
    for one in state["workers"]:
        if one["host"] == address and one["state"] == "ALIVE":
            return f"the controller still counts {one['id']}"
        # The controller forgets the executors of a worker that leaves, and never takes their cores off its count.
        if one["host"] == address and one["state"] == "DECOMMISSIONED":
            still = executors(address)
            if still:
                return f"{one['id']} still runs {still} executors"
    return ""


QUESTIONS = {"alive": alive, "may-leave": may_leave, "left": left}

if __name__ == "__main__":
    with urllib.request.urlopen(URL, timeout=10) as answer:
        problem = QUESTIONS[sys.argv[1]](json.load(answer), *sys.argv[2:])
    sys.exit(problem or 0)
