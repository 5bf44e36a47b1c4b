# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads configmeta.json for start scripts, under the options that config packages use.

  configcli --get node.role_id            a value; a list with commas; of a mapping its keys
  configcli namespace node role_id        the same
  configcli --get_all_fqdns | --get_local_group_fqdns | --get_nodegroup_fqdns ID
  configcli --wait services.SERVICE.1.ROLE [--timeout SECONDS]   until every endpoint of it takes a connection
  configcli macro node --get_self_id | --get_self_index | --get_id FQDN | --get_index FQDN
  configcli macro nodegroup --num_nodegroups
"""
import json
import os
import socket
import sys
import time

META = "/etc/guestconfig/configmeta.json"
REFERENCE = "bdvlibrefkey"


def resolve(tree, keys):
    """The value behind keys. A reference on the way stands for the place that it names."""
    value, seen = tree, 0
    keys = list(keys)
    while True:
        if isinstance(value, dict) and REFERENCE in value:
            seen += 1
            if seen > 20:
                raise KeyError("references in a circle")
            value, keys = tree, list(value[REFERENCE]) + keys
            continue
        if not keys:
            return value
        if isinstance(value, list):
            # Connected objects are lists of mappings: their keys are asked for as if they were one.
            merged = {}
            for item in value:
                if isinstance(item, dict):
                    merged.update(item)
            value = merged
        if not isinstance(value, dict):
            raise KeyError(keys[0])
        # Keys of connected objects may have dots: the longest that is there.
        for size in range(len(keys), 0, -1):
            if ".".join(keys[:size]) in value:
                value, keys = value[".".join(keys[:size])], keys[size:]
                break
        else:
            raise KeyError(keys[0])


def text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ",".join(value)
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            return ",".join(value[0])
        return ",".join(str(item) for item in value)
    return str(value)


def roles(tree, group):
    if group not in tree["nodegroups"]:
        raise KeyError(group)
    return [role for _name, role in sorted(tree["nodegroups"][group]["roles"].items())]


def fqdns(tree, groups):
    found = []
    for group in groups:
        for role in roles(tree, group):
            found.extend(name for name in role["fqdns"] if name not in found)
    return found


def node_id(tree, fqdn):
    for group in tree["nodegroups"]:
        for role in roles(tree, group):
            if fqdn in role["fqdn_mappings"]:
                return role["fqdn_mappings"][fqdn]
    raise KeyError(fqdn)


def node_index(tree, number):
    every = [one for group in tree["nodegroups"] for role in roles(tree, group) for one in role["node_ids"]]
    return sorted(every, key=int).index(number)


def endpoints(value, tree):
    """All endpoints in a part of the tree."""
    if isinstance(value, dict):
        if REFERENCE in value:
            return endpoints(resolve(tree, value[REFERENCE]), tree)
        if "endpoints" in value and "global_id" in value:
            return list(value["endpoints"] or [])
        return [one for part in value.values() for one in endpoints(part, tree)]
    return []


def wait(tree, key, seconds):
    end = time.time() + seconds
    for endpoint in endpoints(resolve(tree, key.split(".")), tree):
        host, _, port = endpoint.rpartition("://")[2].partition("/")[0].rpartition(":")
        while True:
            try:
                socket.create_connection((host, int(port)), 5).close()
                break
            except (OSError, socket.error) as error:
                if time.time() > end:
                    sys.exit("configcli: %s:%s did not answer within %s s: %s" % (host, port, seconds, error))
                time.sleep(1)


def option(words, *names):
    for name in names:
        for index, word in enumerate(words):
            if word == name and index + 1 < len(words):
                return words[index + 1]
            if word.startswith(name + "="):
                return word[len(name) + 1 :]
    return None


def main():
    words = sys.argv[1:]
    if os.path.basename(sys.argv[0]) == "configmacro":
        words = ["macro"] + words
    with open(META) as stream:
        tree = json.load(stream)
    if option(words, "--get", "-g") is not None:
        return resolve(tree, option(words, "--get", "-g").split("."))
    if words[:1] == ["namespace"] and len(words) > 1:
        return resolve(tree, [part for word in words[1:] for part in word.split(".")])
    if option(words, "--wait", "-w") is not None:
        return wait(tree, option(words, "--wait", "-w"), int(option(words, "--timeout", "-t") or 3600))
    if "--get_all_fqdns" in words:
        return fqdns(tree, sorted(tree["nodegroups"]))
    if "--get_local_group_fqdns" in words:
        return fqdns(tree, [tree["node"]["nodegroup_id"]])
    if option(words, "--get_nodegroup_fqdns") is not None:
        return fqdns(tree, [option(words, "--get_nodegroup_fqdns")])
    if "--num_nodegroups" in words:
        return len(tree["nodegroups"])
    if "--get_self_id" in words:
        return tree["node"]["id"]
    if "--get_self_index" in words:
        return node_index(tree, tree["node"]["id"])
    if option(words, "--get_id") is not None:
        return node_id(tree, option(words, "--get_id"))
    if option(words, "--get_index") is not None:
        return node_index(tree, node_id(tree, option(words, "--get_index")))
    sys.stderr.write(__doc__)
    sys.exit(2)


if __name__ == "__main__":
    try:
        print(text(main()))
    except KeyError as error:
        sys.exit("configcli: %s has no such key: %s" % (META, error))
    except (IOError, OSError, ValueError) as error:
        sys.exit("configcli: %s cannot be read: %s" % (META, error))
