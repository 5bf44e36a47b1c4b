"""What a member does beside running Cassandra: it starts, joins, leaves, is replaced, and answers for itself."""

import glob
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

DATA = pathlib.Path("/var/lib/cassandra")
WORK = pathlib.Path("/run/cassandra")
SETTINGS = pathlib.Path("/etc/baremetal-bigdata/cassandra.yaml")
# The administrator's password, kept current where the Secret changes.
PASSWORD = pathlib.Path("/run/secrets/cassandra/password")
IMAGE_CONF = pathlib.Path("/etc/cassandra")
# What Cassandra keeps on the volume.
PARTS = ("data", "commitlog", "hints", "saved_caches", "cdc_raw")
# Keyspaces of Cassandra's own that are as good as lost with one member unless they are copied.
SHARED = ("system_auth", "system_distributed", "system_traces")
COPIES = 3
CQL, INTERNODE = 9042, 7000
LEFT_TEXT = "was decommissioned and will not rejoin the ring"


class Refused(Exception):
    """The reason for which something is not done."""


def env(name, default=""):
    return os.environ.get(name) or default


def say(text):
    print(f"member: {text}", file=sys.stderr, flush=True)


# What follows from answers alone


def ring_of(status):
    """The members in the output of `nodetool status`: state, address, host ID, rack and data centre."""
    members, centre = [], ""
    for line in status.splitlines():
        if line.startswith("Datacenter:"):
            centre = line.split(":", 1)[1].strip()
        found = re.match(r"([UD?][NLJM])\s+(\S+)\s.*\s([0-9a-f-]{36})\s.*?(\S+)\s*$", line)
        if found:
            state, address, host_id, rack = found.groups()
            members.append({"state": state, "address": address, "host_id": host_id, "rack": rack, "dc": centre})
    return members


def mode_of(netstats):
    """The mode in the output of `nodetool netstats`, such as NORMAL."""
    found = re.search(r"^Mode:\s*(\S+)", netstats, re.MULTILINE)
    return found.group(1) if found else ""


def copies_of(replication, dc):
    """How many members of a data centre hold each row of a keyspace; 0 where it keeps none there."""
    kind = replication.get("class", "").rsplit(".", 1)[-1]
    if kind == "SimpleStrategy":
        return int(replication["replication_factor"].split("/")[0])
    if kind == "NetworkTopologyStrategy":
        return int(replication.get(dc, "0").split("/")[0])
    return 0


def with_copies(replication, dc, copies):
    """The replication of a keyspace with so many copies in one data centre, and as before in the others."""
    kept = {}
    if replication.get("class", "").endswith("NetworkTopologyStrategy"):
        kept = {key: value for key, value in replication.items() if key != "class"}
    return {"class": "NetworkTopologyStrategy", **kept, dc: str(copies)}


def replication_text(replication):
    """A replication as Cassandra's language has it."""
    return "{" + ", ".join(f"'{key}': '{value}'" for key, value in replication.items()) + "}"


def leave_problems(ring, keyspaces, dc, role, remaining, leaving):
    """Why a member may not leave: texts. `remaining`: of its role; `leaving`: how many of its role go."""
    problems = []
    for member in ring:
        if member["state"] != "UN":
            problems.append(
                f"member {member['address']}: expected up and normal (UN), found {member['state']}. Bring it back, or "
                "replace it, first: what it should hand over or take could get lost."
            )
    if role == "seed" and remaining < 1:
        problems.append("seeds: expected at least one that stays, found none. Members that start ask a seed first.")
    stay = sum(member["dc"] == dc for member in ring) - leaving
    for name, replication in sorted(keyspaces.items()):
        copies = copies_of(replication, dc)
        if name.split("_")[0] != "system" and copies > stay:
            problems.append(
                f"keyspace {name}: expected a replication factor of at most {stay}, the members that would stay in "
                f"{dc}, found {copies}. Keep {copies} members, or lower it first: ALTER KEYSPACE {name} WITH "
                f"replication = {replication_text(with_copies({}, dc, max(stay, 1)))}."
            )
    return problems


def token_copies(racks, own):
    """The replication factor for which a new member's tokens are balanced. Cassandra's own calculation refuses
    more copies than racks, unless all is one rack."""
    count = len({*racks, own})
    return COPIES if count == 1 else min(COPIES, count)


def seed_provider(seeds):
    """The part of cassandra.yaml that names the seeds. One name may stand for several addresses."""
    return (
        "seed_provider:\n"
        "- class_name: org.apache.cassandra.locator.SimpleSeedProvider\n"
        "  parameters:\n"
        f'  - seeds: "{",".join(seeds)}"\n'
        '    resolve_multiple_ip_addresses_per_dns_record: "true"\n'
    )


def first_start(own, role, name, known, ask, alive, asked_for):
    """What a member with an empty volume does: ("form" | "join" | "replace", details) or ("wait", reason).

    known: addresses of all pods of the cluster. ask: the ring as a member sees it, or None if none answers.
    """
    if own not in known:
        return "wait", {"reason": "the cluster's DNS does not know this pod yet"}
    others = sorted(known - {own})
    if not others:
        if role == "seed" and name.endswith("-0"):
            return "form", {}
        return "wait", {"reason": "there is no member to join yet"}
    ring = ask(others)
    if ring is None:
        return "wait", {"reason": f"none of {', '.join(others)} answers yet"}
    # A pod that was deleted may answer for some seconds more. Whoever joins beside it finds its data gone.
    dead = sorted(
        member["address"] for member in ring if member["address"] not in others or not alive(member["address"])
    )
    if asked_for and asked_for in dead:
        return "replace", {"address": asked_for, "racks": {member["rack"] for member in ring}}
    if dead:
        reason = (
            f"this volume is empty, and the ring has dead members: {', '.join(dead)}. If this member takes the place "
            "of one, run the role's entry point `replace`; otherwise bring them back first"
        )
        return "wait", {"reason": reason, "dead": dead}
    return "join", {"racks": {member["rack"] for member in ring}}


def row_value(key):
    """The value of a row of the verification follows from its key, so a changed one is found."""
    return hashlib.sha256(f"baremetal-bigdata-{key}".encode()).hexdigest()


# Asking others


def addresses(name):
    """The addresses behind a DNS name; none if it is not known."""
    try:
        return {entry[4][0] for entry in socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)}
    except socket.gaierror:
        return set()


def pods():
    return addresses(env("SEED_DOMAIN")) | addresses(env("WORKER_DOMAIN"))


def answers(address, port, timeout=2):
    try:
        with socket.create_connection((address, port), timeout):
            return True
    except OSError:
        return False


def nodetool(*arguments, timeout=60):
    done = subprocess.run(
        ["nodetool", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        raise Refused(f"nodetool {arguments[0]}: {' '.join(done.stdout.split())[-400:]}")
    return done.stdout


def status():
    """What `nodetool status` says. Each call is a Java machine, so two questions that follow each other share one."""
    kept = WORK / "status"
    try:
        if time.time() - kept.stat().st_mtime < 2:
            return ring_of(kept.read_text())
    except OSError:
        pass
    text = nodetool("status")
    fresh = kept.with_name(f"status.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(kept)
    return ring_of(text)


def driver():
    """The Python driver: from the image's modules, or from where upstream's image keeps it for cqlsh."""
    home = env("CASSANDRA_HOME", "/opt/cassandra")
    sys.path.insert(0, f"{home}/pylib")
    for archive in glob.glob(f"{home}/lib/*.zip"):
        top = re.sub(r"-internal-only", "", pathlib.Path(archive).stem)
        sys.path[:0] = [archive, f"{archive}/{top}"]
    import logging

    logging.disable(logging.CRITICAL)
    import cassandra
    import cassandra.auth
    import cassandra.cluster
    import cassandra.concurrent
    import cassandra.policies

    return cassandra


class Session:
    """A connection to Cassandra as the administrator, closed at the end."""

    def __init__(self, hosts, user="", password="", alone=True):
        self.library = library = driver()
        self.profile = library.cluster.ExecutionProfile(
            # Alone: this member is asked, and nobody else.
            load_balancing_policy=library.policies.WhiteListRoundRobinPolicy(list(hosts))
            if alone
            else library.policies.RoundRobinPolicy(),
            request_timeout=20,
        )
        self.cluster = library.cluster.Cluster(
            list(hosts),
            port=CQL,
            auth_provider=library.auth.PlainTextAuthProvider(
                user or env("CASSANDRA_USER"), password or PASSWORD.read_text()
            ),
            execution_profiles={library.cluster.EXEC_PROFILE_DEFAULT: self.profile},
            connect_timeout=10,
            control_connection_timeout=10,
        )

    def __enter__(self):
        session = self.cluster.connect()
        session.library = self.library
        session.profile = self.profile
        return session

    def __exit__(self, *_error):
        self.cluster.shutdown()


def ring_seen(session):
    """The ring as the asked member has it in its tables, also the members that are down."""
    rows = [*session.execute("SELECT peer, data_center, rack FROM system.peers_v2")]
    ring = [{"address": str(row.peer), "dc": row.data_center, "rack": row.rack} for row in rows]
    (own,) = session.execute("SELECT broadcast_address, data_center, rack FROM system.local")
    return [*ring, {"address": str(own.broadcast_address), "dc": own.data_center, "rack": own.rack}]


def ask_others(others):
    """The ring as the first of the others that answers has it; None if none does."""
    for address in others:
        if not answers(address, CQL):
            continue
        try:
            with Session([address]) as session:
                return ring_seen(session)
        except Exception as error:  # the driver's errors have no common class
            say(f"{address}: {error}")
    return None


def keyspaces(session):
    rows = session.execute("SELECT keyspace_name, replication FROM system_schema.keyspaces")
    return {row.keyspace_name: dict(row.replication) for row in rows}


def set_copies(session, dc, copies, limit):
    """Keep Cassandra's own keyspaces in at least (limit: max) or at most (limit: min) so many copies. Returns those
    that changed."""
    changed = []
    for name, replication in keyspaces(session).items():
        have = copies_of(replication, dc)
        wanted = with_copies(replication, dc, limit(have, copies))
        if name not in SHARED or (have == limit(have, copies) and replication["class"].endswith(wanted["class"])):
            continue
        session.execute(f"ALTER KEYSPACE {name} WITH replication = {replication_text(wanted)}")
        changed.append(name)
    return changed


# Files on the volume and in the container


def read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def write(path, content):
    """Write a file whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(content) + "\n")
    fresh.replace(path)


def rack():
    """The rack in which this member has its data: the host's when it first started. Cassandra refuses another."""
    now = env("CASSANDRA_RACK", "rack1")
    kept = read(DATA / ".rack")
    if kept is None:
        write(DATA / ".rack", now)
        return now
    if kept != now:
        say(f"this host is in rack {now}, but the member joined in rack {kept} and stays there. It moves by leaving")
    return kept


def settings(seeds, extra=""):
    """cassandra.yaml: this cluster's, and what is this member's own. Cassandra reads the seeds again as it runs."""
    own = env("POD_IP")
    text = SETTINGS.read_text() + extra + seed_provider(seeds)
    text += f"listen_address: {own}\nrpc_address: 0.0.0.0\nbroadcast_rpc_address: {own}\n"
    fresh = WORK / "conf" / "cassandra.yaml.new"
    fresh.write_text(text)
    fresh.replace(fresh.with_suffix(""))


def configure(seeds, extra):
    """The configuration directory: the image's, with this cluster's settings."""
    shutil.copytree(IMAGE_CONF, WORK / "conf", dirs_exist_ok=True)
    (WORK / "conf" / "cassandra-rackdc.properties").write_text(f"dc={env('CASSANDRA_DC', 'dc1')}\nrack={rack()}\n")
    settings(seeds, extra)


def set_aside():
    """Keep the data of a member that has left, out of the way: it must never come back into the ring."""
    target = DATA / "left" / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target.mkdir(parents=True)
    for name in (*PARTS, ".joined", ".leaving", ".rack", ".replace", ".left"):
        if (DATA / name).exists():
            (DATA / name).rename(target / name)
    say(f"this volume is of a member that has left the ring: its data is kept in {target}, and the member joins afresh")


def idle():
    say("this member has left the ring and holds nothing: it waits to be taken away")
    while True:
        time.sleep(3600)


# Commands


def start(*arguments):
    """Run Cassandra; first, find out what this volume is and whom to join."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for name in ("conf", "logs"):
        (WORK / name).mkdir(parents=True, exist_ok=True)
    for name in ("ready", "waiting"):
        (WORK / name).unlink(missing_ok=True)
    log = WORK / "logs" / "system.log"
    if (DATA / ".leaving").exists() and log.exists() and LEFT_TEXT in log.read_text(errors="replace"):
        # It had left, and was stopped before that was written down.
        write(DATA / ".left", {"pod": env("POD_UID")})
    left = read(DATA / ".left")
    if left:
        if left.get("pod") == env("POD_UID"):
            idle()
        set_aside()
    options, seeds, extra, how = [], [env("SEED_DOMAIN")], "", "restart"
    if (DATA / ".joined").exists():
        while not addresses(env("SEED_DOMAIN")):
            say("no seed is known to the cluster's DNS yet")
            time.sleep(3)
    else:
        how, details = wait_to_join()
        if how == "form":
            seeds = [env("POD_IP")]
        else:
            # A member that finds itself among the seeds would join without the data: for now it must not.
            own = {env("POD_IP")}
            seeds = sorted(addresses(env("SEED_DOMAIN")) - own or pods() - own)
            extra = f"allocate_tokens_for_local_replication_factor: {token_copies(details['racks'], rack())}\n"
        if how == "replace":
            options = [f"-Dcassandra.replace_address_first_boot={details['address']}"]
    configure(seeds, extra)
    say(f"{how}: seeds {', '.join(seeds)}, rack {rack()}")
    os.environ["CASSANDRA_CONF"] = str(WORK / "conf")
    os.environ["CASSANDRA_LOG_DIR"] = str(WORK / "logs")
    os.environ["JVM_EXTRA_OPTS"] = " ".join([env("JVM_EXTRA_OPTS"), *options]).strip()
    subprocess.Popen([sys.executable, __file__, "settle", how])
    os.execvp("cassandra", ["cassandra", "-f"])


def wait_to_join():
    while True:
        asked_for = (read(DATA / ".replace") or {}).get("address", "")
        how, details = first_start(
            env("POD_IP"), env("CASSANDRA_ROLE"), env("POD_NAME"), pods(), ask_others,
            lambda address: answers(address, INTERNODE), asked_for,
        )  # fmt: skip
        if how != "wait":
            (WORK / "waiting").unlink(missing_ok=True)
            return how, details
        write(WORK / "waiting", details)
        say(f"waiting: {details['reason']}")
        time.sleep(3)


def settle(how):
    """Runs beside Cassandra until the member serves: the administrator, and copies of Cassandra's own keyspaces."""
    own = env("POD_IP")
    while not answers(own, CQL):
        time.sleep(1)
    # Clients are served only by a member that has joined.
    write(DATA / ".joined", {"pod": env("POD_UID")})
    for name in (".replace", ".leaving"):
        (DATA / name).unlink(missing_ok=True)
    settings([env("SEED_DOMAIN")])
    if how == "restart":
        (WORK / "ready").touch()
    while True:
        try:
            if how == "form":
                make_administrator(own)
            with Session([own]) as session:
                dc = env("CASSANDRA_DC", "dc1")
                copies = min(COPIES, sum(member["dc"] == dc for member in ring_seen(session)))
                changed = set_copies(session, dc, copies, max)
            if changed and copies > 1:
                nodetool("repair", "--full", "system_auth", timeout=600)
            break
        except Exception as error:  # the driver's errors have no common class
            say(f"not settled yet: {' '.join(str(error).split())[:300]}")
            time.sleep(2)
    (WORK / "ready").touch()
    say(f"settled after {how}")


def make_administrator(own):
    """In a new cluster: the administrator of the Secret, instead of the one whose password everybody knows."""
    user, password = env("CASSANDRA_USER"), PASSWORD.read_text()
    try:
        with Session([own]):
            return
    except Exception as error:
        say(f"no administrator yet: {type(error).__name__}")
    quoted = password.replace("'", "''")
    with Session([own], "cassandra", "cassandra") as session:
        session.execute(
            f"CREATE ROLE IF NOT EXISTS {user} WITH PASSWORD = '{quoted}' AND SUPERUSER = true AND LOGIN = true"
        )
    with Session([own]) as session:
        session.execute("DROP ROLE IF EXISTS cassandra")
    say(f"the administrator is {user}; the role cassandra is gone")


def ready():
    if not (WORK / "ready").exists() or not answers(env("POD_IP"), CQL):
        raise Refused("not ready")


def members():
    print(sum(member["state"] == "UN" for member in status()))


def safe():
    ring = status()
    others = [f"{member['address']} {member['state']}" for member in ring if member["state"] != "UN"]
    if others or not ring:
        raise Refused("expected all members up and normal (UN), found " + (", ".join(others) or "no member"))


def leave_allowed(remaining):
    if read(DATA / ".left") or mode_of(nodetool("netstats")) in ("LEAVING", "DECOMMISSIONED"):
        print("it is leaving already")
        return
    dc, role = env("CASSANDRA_DC", "dc1"), env("CASSANDRA_ROLE")
    have = addresses(env("SEED_DOMAIN" if role == "seed" else "WORKER_DOMAIN"))
    with Session([env("POD_IP")]) as session:
        found = keyspaces(session)
    ring = ring_of(nodetool("status"))
    leaving = max(1, len(have) - int(remaining))
    problems = leave_problems(ring, found, dc, role, int(remaining), leaving)
    if problems:
        raise Refused("\n".join(problems))


def leave():
    """Start to leave, or find that this has been done: safe to repeat at any point."""
    mode = "DECOMMISSIONED" if read(DATA / ".left") else mode_of(nodetool("netstats"))
    if mode == "LEAVING":
        return
    if mode == "DECOMMISSIONED":
        write(DATA / ".left", {"pod": env("POD_UID")})
        return
    dc = env("CASSANDRA_DC", "dc1")
    with Session([env("POD_IP")]) as session:
        stay = sum(member["dc"] == dc for member in ring_seen(session)) - 1
        # Cassandra counts its own keyspaces too, and refuses.
        set_copies(session, dc, stay, min)
    write(DATA / ".leaving", {"pod": env("POD_UID")})
    log = WORK / "leave.log"
    with open(log, "w") as output:
        # In a session of its own: it goes on when the one who asked is gone.
        process = subprocess.Popen(
            [sys.executable, __file__, "decommission"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    while process.poll() is None:
        if mode_of(nodetool("netstats")) == "LEAVING":
            return
        time.sleep(1)
    if process.returncode:
        raise Refused(log.read_text()[-800:])


def decommission():
    nodetool("decommission", timeout=None)
    write(DATA / ".left", {"pod": env("POD_UID")})


def left():
    if read(DATA / ".left"):
        return
    mode = mode_of(nodetool("netstats"))
    if mode != "DECOMMISSIONED":
        log = WORK / "leave.log"
        text = " ".join(log.read_text().split())[-400:] if log.exists() else ""
        raise Refused(f"mode: expected DECOMMISSIONED, found {mode}. {text}")
    write(DATA / ".left", {"pod": env("POD_UID")})


def stop():
    """Before the container stops: everything in memory goes to the volume, and clients turn to others."""
    if (DATA / ".joined").exists() and not read(DATA / ".left"):
        nodetool("drain", timeout=90)


def waiting():
    """Print what a member that has not started waits for; nothing if it does not wait."""
    print(json.dumps(read(WORK / "waiting") or {}))


def replace(address):
    """Let this member, which waits with an empty volume, take the place of a dead one."""
    dead = (read(WORK / "waiting") or {}).get("dead", [])
    if address not in dead:
        raise Refused(f"address: expected one of the dead members ({', '.join(dead) or 'none'}), found {address}")
    write(DATA / ".replace", {"address": address})


def read_rows(session, table, count):
    """The rows that are there. Each is a question of its own, so that each is answered at QUORUM."""
    question = session.prepare(f"SELECT key, value FROM {table} WHERE key = ?")
    keys = [(key,) for key in range(count)]
    found = session.library.concurrent.execute_concurrent_with_args(session, question, keys, concurrency=32)
    return {row.key: row.value for _good, result in found for row in result}


def insertion(session, table):
    statement = session.prepare(f"INSERT INTO {table} (key, value) VALUES (?, ?)")
    statement.is_idempotent = True
    return statement


def sustain(session, table, end):
    """Write rows one after the other. As applications do, an attempt that fails is made again, at another member."""
    statement, result = insertion(session, table), {"written": 0, "attempts": 0, "failed": 0, "errors": []}
    while time.monotonic() < end and not (WORK / "enough").exists():
        for attempt in range(1, 6):
            result["attempts"] += 1
            try:
                session.execute(statement, (result["written"], row_value(result["written"])))
                break
            except Exception as error:  # the driver's errors have no common class
                if attempt == 5:
                    result["failed"] += 1
                    result["errors"] = [*result["errors"], f"{type(error).__name__}: {error}"[:200]][-5:]
                time.sleep(1)
        result["written"] += 1
        time.sleep(0.05)
    return result


def cqlsh(*arguments):
    """Cassandra's shell as the administrator. The password is on no command line."""
    file = WORK / "credentials"
    file.touch(mode=0o600)
    file.write_text(f"[PlainTextAuthProvider]\nusername = {env('CASSANDRA_USER')}\npassword = {PASSWORD.read_text()}\n")
    os.execvp("cqlsh", ["cqlsh", f"--credentials={file}", env("POD_IP"), *arguments])


def rows(state, keyspace, count, copies, seconds="0"):
    """Write rows and read them again at QUORUM, through Cassandra's own driver. Prints what was found as JSON."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", keyspace):
        raise Refused(f"keyspace: expected lower-case letters, digits and underscores, found {keyspace!r}")
    count, begin, table = int(count), time.monotonic(), f"{keyspace}.rows"
    result = {"written": 0, "found": 0, "lost": []}
    with Session(pods(), alone=False) as session:
        session.profile.consistency_level = session.library.ConsistencyLevel.QUORUM
        result["members"] = len(ring_seen(session))
        if state in ("tested", "written", "sustained"):
            replication = with_copies({}, env("CASSANDRA_DC", "dc1"), int(copies))
            session.execute(
                f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication_text(replication)}"
            )
            # Dropping it leaves no snapshot behind.
            session.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (key int PRIMARY KEY, value text) WITH allow_auto_snapshot = false"
            )
        there = keyspace in keyspaces(session)
        if state in ("tested", "written"):
            have = read_rows(session, table, count)
            missing = [(key, row_value(key)) for key in range(count) if have.get(key) != row_value(key)]
            session.library.concurrent.execute_concurrent_with_args(
                session, insertion(session, table), missing, concurrency=32
            )
            result["written"] = len(missing)
        if state == "sustained":
            result.update(sustain(session, table, begin + float(seconds)))
            count = result["written"]
        if state != "absent":
            have = read_rows(session, table, count) if there else {}
            lost = [key for key in range(count) if have.get(key) != row_value(key)]
            result.update(found=count - len(lost), lost=lost[:10])
        if state in ("tested", "absent"):
            session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")
    print(json.dumps({**result, "rows": count, "seconds": round(time.monotonic() - begin, 1)}))
    if state not in ("absent", "looked") and result["found"] != count:
        raise Refused(f"rows: expected {count} at QUORUM, found {result['found']}")


COMMANDS = {
    "start": start, "settle": settle, "ready": ready, "members": members, "safe": safe, "leave-allowed": leave_allowed,
    "leave": leave, "decommission": decommission, "left": left, "stop": stop, "waiting": waiting, "replace": replace,
    "cqlsh": cqlsh,
    "rows": rows,
}  # fmt: skip


def main(arguments):
    # Probes and commands beside the member find what the member was started with.
    os.environ.setdefault("HOME", "/tmp")
    if (WORK / "conf" / "jvm17-server.options").exists():
        os.environ["CASSANDRA_CONF"] = str(WORK / "conf")
        os.environ["CASSANDRA_LOG_DIR"] = str(WORK / "logs")
    try:
        COMMANDS[arguments[0]](*arguments[1:])
    except Refused as refusal:
        print(refusal, flush=True)
        return 1
    except subprocess.TimeoutExpired as error:
        print(f"{error.cmd[:2]}: no answer in {error.timeout} s", flush=True)
        return 1
    except Exception as error:
        # The driver's errors are answers too: who could not be reached, which level was not met.
        if not type(error).__module__.startswith("cassandra"):
            raise
        print(f"{type(error).__name__}: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
