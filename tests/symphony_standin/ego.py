# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for IBM Spectrum Symphony, for tests: egoconfig, egosh, symping and their daemon.

This is not Symphony and holds nothing of it. It answers to the same commands on the same ports, over the real
network, so that what deploys Symphony can be tested without a licence: hosts join a master over TCP and send
heartbeats, ``egosh resource list`` shows every host with its state, ``symping`` runs tasks on compute hosts.

One daemon runs on each host (``egosh ego start``). On the master host, the first of EGO_MASTER_LIST in ego.conf,
it listens for hosts (EGO_LIM_PORT) and for clients (EGO_KD_PORT) and serves the web page (WEBGUI_PORT, TLS). On the
others it keeps one connection to the master and listens for tasks (EGO_PEM_PORT). As the real one it resolves the
master's name when it starts, and never again.

Messages are lines of JSON. Standard library only.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import hmac
import html
import http.server
import json
import os
import re
import secrets
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

VERSION = "stand-in 1"
CANNOT_CONTACT = "Cannot contact the master host. Check that EGO runs on {host}."


class Failed(Exception):
    """What a command says before it exits with 1."""


# Configuration


def confdir() -> Path:
    return Path(os.environ.get("EGO_CONFDIR") or Path(os.environ["EGO_TOP"]) / "kernel/conf")


def workdir() -> Path:
    return Path(os.environ["EGO_TOP"]) / "kernel/work"


def hostname() -> str:
    return os.environ.get("EGO_STANDIN_HOSTNAME") or socket.gethostname()


def same_host(one: str, other: str) -> bool:
    """Whether two names mean one host: one may be the other's first label."""
    if "." in one and "." in other:
        return one == other
    return one.split(".")[0] == other.split(".")[0]


def read_conf(path: Path) -> dict[str, str]:
    """KEY=VALUE lines; values may be quoted."""
    result = {}
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text().splitlines():
            key, found, value = line.strip().partition("=")
            if found and not key.startswith("#"):
                result[key] = value.strip('"')
    return result


def write_conf(path: Path, changes: dict[str, str]) -> None:
    values = read_conf(path) | changes
    new = path.with_name(path.name + ".new")
    new.write_text("".join(f'{key}="{value}"\n' for key, value in values.items()))
    new.replace(path)


class Settings:
    def __init__(self) -> None:
        values = read_conf(confdir() / "ego.conf")
        self.lim, self.kd = int(values.get("EGO_LIM_PORT", "7869")), int(values.get("EGO_KD_PORT", "7870"))
        self.pem, self.gui = int(values.get("EGO_PEM_PORT", "7871")), int(values.get("WEBGUI_PORT", "8443"))
        self.master = (values.get("EGO_MASTER_LIST") or " ").split(" ")[0]
        self.cluster = values.get("EGO_CLUSTER_NAME", "cluster1")
        self.expire = duration(values.get("EGO_DYNAMIC_HOST_TIMEOUT", ""))
        self.beat = float(os.environ.get("EGO_STANDIN_HEARTBEAT", "2"))
        self.bind = os.environ.get("EGO_STANDIN_BIND", "")


def duration(text: str) -> float | None:
    """EGO_DYNAMIC_HOST_TIMEOUT in seconds: hours, or minutes with an m. Empty: never."""
    if not text:
        return None
    match = re.fullmatch(r"([0-9.]+)([mM]?)", text)
    if not match:
        raise Failed(f"ego.conf: EGO_DYNAMIC_HOST_TIMEOUT={text}: expected hours, or minutes with an m")
    return float(match[1]) * (60 if match[2] else 3600)


def resolve(name: str) -> str:
    """The address of a host: by the file `hosts` beside ego.conf, then by the system."""
    with contextlib.suppress(FileNotFoundError):
        for line in (confdir() / "hosts").read_text().splitlines():
            address, *names = line.split("#")[0].split() or [""]
            if name in names:
                return address
    try:
        return socket.gethostbyname(name)
    except OSError as error:
        raise Failed(f"{name}: unknown host ({error})") from error


# Entitlement


def entitlement_problem(text: str, today: datetime.date) -> str:
    """Why an entitlement file entitles to nothing. Lines: product, version, expiry or (), ..., key of 40 digits."""
    products = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 4 or not re.fullmatch(r"[0-9a-f]{40}", words[-1]):
            return f"line {number}: expected product, version, expiry date and a key of 40 hexadecimal digits"
        if words[2] != "()":
            try:
                expires = datetime.datetime.strptime(words[2], "%d/%m/%Y").date()
            except ValueError:
                return f"line {number}: expected () or a date such as 31/12/2030, found {words[2]}"
            if expires < today:
                return f"line {number}: the entitlement for {words[0]} expired on {words[2]}"
        products.append(words[0])
    if "ego_base" not in products:
        return "expected a line ego_base, found none"
    if not any(re.fullmatch(r"sym_\w+_edition", product) for product in products):
        return "expected a line sym_..._edition, found none"
    return ""


# Messages


def send(connection: socket.socket, message: dict) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def connect(address: str, port: int, timeout: float) -> socket.socket:
    source = os.environ.get("EGO_STANDIN_BIND")
    return socket.create_connection((address, port), timeout, (source, 0) if source else None)


def ask_master(message: dict, timeout: float = 10) -> dict:
    """Ask the master's client port. Raises Failed with what it refuses."""
    settings = Settings()
    if not settings.master:
        raise Failed("This host has not joined a cluster. Run egoconfig join.")
    try:
        with connect(resolve(settings.master), settings.kd, timeout) as connection:
            send(connection, message | {"session": session()})
            answer = json.loads(connection.makefile().readline() or "{}")
    except (OSError, Failed, ValueError) as error:
        raise Failed(CANNOT_CONTACT.format(host=settings.master) + f" ({error})") from error
    if "error" in answer or not answer:
        raise Failed(answer.get("error", CANNOT_CONTACT.format(host=settings.master)))
    return answer


def session() -> str:
    with contextlib.suppress(OSError):
        return (workdir() / f"session-{os.getuid()}").read_text()
    return ""


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, bind: str, port: int, handle):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, ValueError, KeyError):
                    handle(self)

        super().__init__((bind, port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


# The master


class Host:
    def __init__(self, name: str, address: str, managed: bool, now: float):
        self.name, self.address, self.managed = name, address, managed
        self.instance, self.since, self.closed, self.reason = "", now, False, ""
        self.beat: float | None = now
        self.running: dict[int, str] = {}


class Master:
    """What the master knows. Its clock is a parameter, so tests need not wait."""

    def __init__(
        self, name: str, cluster: str, beat: float, expire: float | None, entitled: bool, clock=time.monotonic
    ):
        self.name, self.cluster, self.beat, self.expire, self.clock = name, cluster, beat, expire, clock
        self.entitled = entitled
        self.hosts = {name: Host(name, "", True, clock())}
        self.removed: set[str] = set()
        self.sessions: set[str] = set()
        self.counter = 0
        self.changed = threading.Condition()

    # Hosts

    def register(self, message: dict, address: str) -> dict:
        if message["cluster"] != self.cluster:
            return {"error": f"this is cluster {self.cluster}, not {message['cluster']}"}
        with self.changed:
            if message["instance"] in self.removed:
                return {"error": "this host was removed from the cluster"}
            host = self.hosts.get(message["host"])
            if host is None or host.instance != message["instance"]:
                # A daemon that starts anew is open again only if nobody closed its host.
                closed = host is not None and host.closed
                host = Host(message["host"], address, False, self.clock())
                host.instance, host.closed = message["instance"], closed
                self.hosts[host.name] = host
            host.beat, host.address = self.clock(), address
            self.changed.notify_all()
        return {"master": self.name, "cluster": self.cluster}

    def leave(self, name: str, instance: str) -> None:
        """A daemon that is shut down says so."""
        with self.changed:
            host = self.hosts.get(name)
            if host and host.instance == instance:
                host.beat = None

    def status(self, host: Host) -> str:
        if not host.managed and (host.beat is None or self.clock() - host.beat > 3 * self.beat):
            return "unavail"
        if host.closed or not self.entitled:
            return "closed"
        return "ok"

    def forget_expired(self) -> None:
        if self.expire is not None:
            with self.changed:
                for host in list(self.hosts.values()):
                    last = host.since if host.beat is None else host.beat
                    if self.status(host) == "unavail" and self.clock() - last > self.expire:
                        del self.hosts[host.name]

    def host(self, name: str) -> Host:
        if name not in self.hosts:
            raise Failed(f"{name}: no such resource")
        return self.hosts[name]

    def close(self, name: str, reclaim: bool) -> None:
        with self.changed:
            host = self.host(name)
            host.closed = True
            if reclaim:
                host.running.clear()
            self.changed.notify_all()

    def open(self, name: str) -> None:
        with self.changed:
            self.host(name).closed = False
            self.changed.notify_all()

    def remove(self, name: str) -> None:
        with self.changed:
            host = self.host(name)
            if host.managed or self.status(host) == "ok":
                raise Failed(f"{name}: cannot be removed, its status is {self.status(host)}. Close it first.")
            self.removed.add(host.instance)
            del self.hosts[name]

    def listing(self) -> list[dict]:
        self.forget_expired()
        with self.changed:
            return [
                {"name": host.name, "status": self.status(host), "mg": host.managed, "running": len(host.running)}
                for host in sorted(self.hosts.values(), key=lambda one: (not one.managed, one.name))
            ]

    # Work

    def activities(self) -> list[tuple[int, str, str]]:
        with self.changed:
            return [(number, host.name, what) for host in self.hosts.values() for number, what in host.running.items()]

    def acquire(self, what: str, timeout: float) -> tuple[Host, int]:
        """A free compute host, one task at a time on each."""
        with self.changed:
            end = self.clock() + timeout
            while True:
                for host in self.hosts.values():
                    if not host.managed and not host.running and self.status(host) == "ok":
                        self.counter += 1
                        host.running[self.counter] = what
                        return host, self.counter
                left = end - self.clock()
                if left <= 0:
                    raise Failed("no compute host is free")
                self.changed.wait(min(left, 1))

    def release(self, host: Host, number: int) -> bool:
        """Whether the task was still the host's: not after the host was reclaimed."""
        with self.changed:
            self.changed.notify_all()
            return host.running.pop(number, None) is not None

    def run(self, tasks: int, milliseconds: int, pem: int, timeout: float) -> dict:
        """Run tasks on compute hosts. One whose host is lost or reclaimed runs again elsewhere."""
        if not self.entitled:
            raise Failed("the cluster is not entitled to run work")
        with self.changed:
            self.counter += 1
            name = f"session-{self.counter}"
        results: dict[int, str] = {}
        where: dict[str, int] = {}
        failures: list[str] = []
        end = self.clock() + timeout

        def one(task: int) -> None:
            while task not in results and self.clock() < end:
                try:
                    host, number = self.acquire(f"{name}-{task}", end - self.clock())
                except Failed as error:
                    failures.append(str(error))
                    return
                answer: dict = {}
                with contextlib.suppress(OSError, ValueError):
                    answer = run_task(host.address, pem, f"{name}-{task}", milliseconds)
                if self.release(host, number) and "result" in answer:
                    with self.changed:
                        results[task] = answer["result"]
                        where[host.name] = where.get(host.name, 0) + 1
                elif not answer:
                    time.sleep(self.beat)  # a lost host stays listed until its heartbeats are missed

        threads = [threading.Thread(target=one, args=(task,), daemon=True) for task in range(tasks)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"session": name, "results": results, "hosts": where, "failures": failures}


def run_task(address: str, port: int, task: str, milliseconds: int) -> dict:
    with connect(address, port, milliseconds / 1000 + 5) as connection:
        send(connection, {"op": "run", "task": task, "ms": milliseconds})
        return json.loads(connection.makefile().readline() or "{}")


def work(task: str) -> str:
    """The task's result, which a client can check."""
    value = task.encode()
    for _round in range(1000):
        value = hashlib.sha256(value).digest()
    return value.hex()


ADMINISTRATIVE = ("close", "open", "remove")


class MasterDaemon:
    def __init__(self, settings: Settings):
        text = ""
        with contextlib.suppress(FileNotFoundError):
            text = (confdir() / "ego.entitlement").read_text()
        entitled = entitlement_problem(text, datetime.date.today()) == ""
        self.settings = settings
        self.master = Master(hostname(), settings.cluster, settings.beat, settings.expire, entitled)
        Server(settings.bind, settings.lim, self.hosts)
        Server(settings.bind, settings.kd, self.clients)
        self.web()

    def hosts(self, handler) -> None:
        """One connection for each host, as long as it lives."""
        handler.connection.settimeout(3 * self.settings.beat)
        for line in handler.rfile:
            message = json.loads(line)
            if message["op"] == "leave":
                self.master.leave(message["host"], message["instance"])
                return
            answer = self.master.register(message, handler.client_address[0])
            send(handler.connection, answer)
            if "error" in answer:
                return

    def clients(self, handler) -> None:
        message = json.loads(handler.rfile.readline())
        try:
            answer = self.answer(message)
        except Failed as error:
            answer = {"error": str(error)}
        send(handler.connection, answer)

    def answer(self, message: dict) -> dict:
        master, what = self.master, message["op"]
        if what in ADMINISTRATIVE and message["session"] not in master.sessions:
            raise Failed("You are not logged on as cluster administrator. Run egosh user logon.")
        if what == "logon":
            return self.logon(message["user"], message["password"])
        if what == "info":
            return {"cluster": master.cluster, "master": master.name}
        if what == "list":
            return {"hosts": master.listing()}
        if what == "entitlement":
            return {"entitled": master.entitled}
        if what == "activities":
            return {"activities": master.activities()}
        if what == "run":
            self.logon(message["user"], message["password"])
            return master.run(message["tasks"], message["ms"], self.settings.pem, message["timeout"])
        if what == "close":
            master.close(message["name"], message["reclaim"])
        elif what in ("open", "remove"):
            getattr(master, what)(message["name"])
        else:
            raise Failed(f"unknown request {what}")
        return {"done": what}

    def logon(self, user: str, password: str) -> dict:
        wanted = "Admin"
        with contextlib.suppress(FileNotFoundError):
            wanted = (confdir() / "ego.password").read_text()
        if user != "Admin" or not hmac.compare_digest(password.encode(), wanted.encode()):
            raise Failed("Logon failed: user name or password is wrong")
        token = secrets.token_hex(16)
        self.master.sessions.add(token)
        return {"session": token}

    def web(self) -> None:
        """The management console's port: one page over TLS."""
        import ssl  # megabytes that only the master needs

        master = self.master

        class Page(http.server.BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                rows = "".join(
                    f"<tr><td>{html.escape(row['name'])}</td><td>{row['status']}</td></tr>" for row in master.listing()
                )
                name = html.escape(master.cluster)
                body = f"<title>Stand-in for Symphony</title><h1>{name}</h1><table>{rows}</table>".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments) -> None:
                """Say nothing."""

        certificate, key = workdir() / "webgui.pem", workdir() / "webgui.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "365", "-subj", f"/CN={hostname()}", "-addext", f"subjectAltName=DNS:{hostname()}"]
        command += ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

        class TlsServer(http.server.ThreadingHTTPServer):
            def finish_request(self, request, client_address) -> None:
                """The handshake is the connection's own thread's, so that a silent client blocks nobody."""
                request.settimeout(10)
                with contextlib.suppress(OSError):
                    super().finish_request(context.wrap_socket(request, server_side=True), client_address)

        server = TlsServer((self.settings.bind, self.settings.gui), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()


# The other hosts


class HostDaemon:
    def __init__(self, settings: Settings):
        self.settings = settings
        self.instance = secrets.token_hex(8)
        self.address = resolve(settings.master)
        self.message = {"host": hostname(), "instance": self.instance, "cluster": settings.cluster}
        Server(settings.bind, settings.pem, self.tasks)
        threading.Thread(target=self.heartbeats, daemon=True).start()

    def tasks(self, handler) -> None:
        message = json.loads(handler.rfile.readline())
        time.sleep(message["ms"] / 1000)
        send(handler.connection, {"result": work(message["task"])})

    def heartbeats(self) -> None:
        said = ""
        while True:
            try:
                with connect(self.address, self.settings.lim, 5) as connection:
                    answers = connection.makefile()
                    while True:
                        send(connection, {"op": "register"} | self.message)
                        answer = json.loads(answers.readline() or '{"error": "the connection is closed"}')
                        if "error" in answer:
                            raise Failed(answer["error"])
                        said = log(f"joined {answer['cluster']} at {self.address}", said)
                        time.sleep(self.settings.beat)
            except (OSError, ValueError, Failed) as error:
                said = log(f"master {self.settings.master} at {self.address}: {error}", said)
                time.sleep(self.settings.beat)

    def stop(self) -> None:
        with contextlib.suppress(OSError), connect(self.address, self.settings.lim, 2) as connection:
            send(connection, {"op": "leave"} | self.message)


def log(text: str, before: str = "") -> str:
    if text != before:
        print(time.strftime("%Y-%m-%dT%H:%M:%S"), text, flush=True)
    return text


def daemon() -> None:
    """Run until SIGTERM."""
    settings = Settings()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    if same_host(settings.master, hostname()):
        MasterDaemon(settings)
        log(f"master of {settings.cluster}")
        stopped.wait()
    else:
        host = HostDaemon(settings)
        stopped.wait()
        host.stop()


# egoconfig


def running() -> int:
    """The daemon's process, or 0."""
    try:
        number = int((workdir() / "lim.pid").read_text())
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except (OSError, ValueError):
        return 0
    return number if b"\0daemon\0" in command else 0


def egoconfig(arguments: list[str]) -> None:
    words = [word for word in arguments if word != "-f"]
    if os.getuid() != (confdir() / "ego.conf").stat().st_uid:
        raise Failed("egoconfig: only the cluster administrator, the owner of ego.conf, may run this")
    handlers = {("join", 2): join, ("setentitlement", 2): set_entitlement, ("setpassword", 3): set_password,
                ("mghost", 2): manage}  # fmt: skip
    handler = handlers.get((words[0], len(words))) if words else None
    if handler is None or (handler is set_password and words[1] != "-x"):
        raise Failed(
            "usage: egoconfig join HOST [-f] | setentitlement FILE | setpassword -x PASSWORD [-f] | "
            "mghost DIRECTORY [-f]"
        )
    handler(words[-1])


def join(master: str) -> None:
    if running():
        raise Failed("egoconfig join: EGO runs on this host. Run egosh ego shutdown first.")
    if not same_host(master, hostname()) and os.environ.get("EGOCONFIG_DISABLE_HOST_CHECK") != "Y":
        resolve(master)
    changes = {"EGO_MASTER_LIST": master}
    if os.environ.get("CLUSTERNAME"):
        changes["EGO_CLUSTER_NAME"] = os.environ["CLUSTERNAME"]
    write_conf(confdir() / "ego.conf", changes)
    print(f"You have joined the cluster whose master host is {master}.")


def set_entitlement(name: str) -> None:
    try:
        text = Path(name).read_text()
    except OSError as error:
        raise Failed(f"egoconfig setentitlement: {name}: {error.strerror}") from error
    problem = entitlement_problem(text, datetime.date.today())
    if problem:
        raise Failed(f"egoconfig setentitlement: {name}: {problem}")
    write_private(confdir() / "ego.entitlement", text)
    print("Successfully set entitlement.")


def set_password(password: str) -> None:
    if not 8 <= len(password) <= 15:
        raise Failed("egoconfig setpassword: expected 8 to 15 characters")
    write_private(confdir() / "ego.password", password)
    print("Password successfully set.")


def manage(folder: str) -> None:
    """Keep the configuration in a directory that outlives this host; what is there already counts."""
    shared = Path(folder) / "kernel/conf"
    shared.mkdir(parents=True, exist_ok=True)
    for path in confdir().iterdir():
        if path.is_file() and not (shared / path.name).exists():
            write_private(shared / path.name, path.read_text())
    profile = Path(os.environ["EGO_TOP"]) / "kernel/conf/profile.ego"
    profile.write_text(f"EGO_CONFDIR={shared}\nexport EGO_CONFDIR\n")
    print(f"This host is a management host. Its configuration is in {folder}.")


def write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


# egosh


def start() -> None:
    settings = Settings()
    if not settings.master:
        raise Failed("egosh ego start: this host has not joined a cluster. Run egoconfig join.")
    if running():
        print("EGO is already running on this host.")
        return
    if not same_host(settings.master, hostname()):
        resolve(settings.master)
    output = (Path(os.environ["EGO_TOP"]) / f"kernel/log/lim.log.{hostname()}").open("a")
    command = [sys.executable, "-I", "-S", os.path.abspath(__file__), "daemon", "-"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    (workdir() / "lim.pid").write_text(str(process.pid))
    # Popen's object is dropped on purpose: the daemon outlives this command.
    process.returncode = 0
    print(f"Start up LIM on <{hostname()}> ...... done")


def shutdown() -> None:
    number = running()
    if not number:
        print("EGO is not running on this host.")
        return
    os.kill(number, signal.SIGTERM)
    for _try in range(100):
        if not running():
            break
        time.sleep(0.1)
    else:
        os.kill(number, signal.SIGKILL)
    print(f"Shut down LIM on <{hostname()}> ...... done")


def show_hosts(rows: list[dict], form: str) -> None:
    columns = ("NAME", "status", "mem", "swp", "tmp", "ut", "it", "pg", "r1m", "r15s", "r15m", "ls")
    table = [(row["name"], row["status"], *("-" * (len(columns) - 2))) for row in rows]
    if form == "-ll":
        for line in (columns, *table):
            print(",".join(f'"{word}"' for word in line))
        return
    width = max(len(line[0]) for line in (columns, *table)) if form == "-l" else 12
    for line in (columns, *table):
        print(line[0][:width].ljust(width), line[1].ljust(8), *(word.ljust(5) for word in line[2:]))


def restart() -> None:
    shutdown()
    start()


def info() -> None:
    found = ask_master({"op": "info"})
    print(f"Cluster name             : {found['cluster']}")
    print(f"EGO primary host name    : {found['master']}")
    print(f"EGO primary version      : {VERSION}")


def user(arguments: list[str]) -> None:
    if arguments == ["logoff"]:
        (workdir() / f"session-{os.getuid()}").unlink(missing_ok=True)
        print("Logged off successfully")
        return
    if len(arguments) != 5 or arguments[0] != "logon" or arguments[1::2] != ["-u", "-x"]:
        raise Failed("usage: egosh user logon -u USER -x PASSWORD | logoff")
    answer = ask_master({"op": "logon", "user": arguments[2], "password": arguments[4]})
    write_private(workdir() / f"session-{os.getuid()}", answer["session"])
    print("Logged on successfully")


def resource(arguments: list[str]) -> None:
    command, options, names = arguments[0], set(arguments[1:]), [word for word in arguments[1:] if word[0] != "-"]
    options -= set(names)
    if command == "list" and not names and options <= {"-l", "-ll", "-m"}:
        rows = [row for row in ask_master({"op": "list"})["hosts"] if row["mg"] or "-m" not in options]
        show_hosts(rows, "-ll" if "-ll" in options else "-l" if "-l" in options else "")
    elif command == "close" and len(names) == 1 and options <= {"-reclaim"}:
        ask_master({"op": "close", "name": names[0], "reclaim": "-reclaim" in options})
        print(f"Resource <{names[0]}> is closed")
    elif command in ("open", "remove") and len(names) == 1 and not options:
        ask_master({"op": command, "name": names[0]})
        print(f"Resource <{names[0]}>: {command} done")
    else:
        raise Failed("usage: egosh resource list [-l | -ll] [-m] | close [-reclaim] NAME | open NAME | remove NAME")


def activity(arguments: list[str]) -> None:
    name = arguments[arguments.index("-r") + 1] if "-r" in arguments else ""
    found = [row for row in ask_master({"op": "activities"})["activities"] if name in ("", row[1])]
    for row in (("ACTIVITY", "STATE", "RESOURCE", "COMMAND"), *((row[0], "RUN", *row[1:]) for row in found)):
        print(",".join(f'"{word}"' for word in row) if "-ll" in arguments else " ".join(map(str, row)))


def egosh(arguments: list[str]) -> None:
    about, what = " ".join(arguments[:2]), arguments[2:]
    simple = {"ego start": start, "ego shutdown": shutdown, "ego restart": restart, "ego info": info}
    if about in simple and what in ([], ["-f"]):
        simple[about]()
    elif about == "entitlement info":
        print("Entitled" if ask_master({"op": "entitlement"})["entitled"] else "Not entitled")
    elif about == "activity list":
        activity(what)
    elif arguments[:1] == ["user"]:
        user(arguments[1:])
    elif arguments[:1] == ["resource"] and len(arguments) > 1:
        resource(arguments[1:])
    else:
        raise Failed(f"egosh {about}: not a command of this stand-in")


def symping(arguments: list[str]) -> None:
    """-m: tasks, -r: milliseconds of each, -u and -x: user and password, -t: seconds for all."""
    options = dict(zip(arguments[::2], arguments[1::2]))
    if len(arguments) % 2 or not set(options) <= {"-m", "-r", "-u", "-x", "-t"}:
        raise Failed("usage: symping [-m TASKS] [-r MILLISECONDS] [-u USER] [-x PASSWORD] [-t SECONDS]")
    tasks, milliseconds, timeout = int(options.get("-m", 1)), int(options.get("-r", 0)), int(options.get("-t", 60))
    request = {"op": "run", "user": options.get("-u", ""), "password": options.get("-x", ""), "timeout": timeout}
    found = ask_master(request | {"tasks": tasks, "ms": milliseconds}, timeout + 10)
    good = sum(found["results"].get(str(task)) == work(f"{found['session']}-{task}") for task in range(tasks))
    print(f"Completed: {good} of {tasks} tasks on {len(found['hosts'])} hosts")
    for name, count in sorted(found["hosts"].items()):
        print(f"  {name}: {count}")
    if good != tasks:
        raise Failed("; ".join(sorted(set(found["failures"]))) or "tasks gave wrong results")


def main() -> int:
    os.umask(0o022)
    command, *arguments = sys.argv[1:]
    try:
        {"egoconfig": egoconfig, "egosh": egosh, "symping": symping, "daemon": lambda _: daemon()}[command](arguments)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
