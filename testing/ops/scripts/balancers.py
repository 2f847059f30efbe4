"""Runs HAProxy, nginx and Envoy with their example configurations in front of three gateways.

usage: balancers.py GATEWAY HAPROXY_CFG NGINX_CONF ENVOY ENVOY_YAML
Run it as root in network and pid namespaces of its own. Only addresses of the examples are changed.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

PATIENCE = 20
HOSTS = [11, 12, 13]
CLIENTS = [f"127.0.1.{n}" for n in range(1, 13)]


def fail(text):
    sys.exit(f"FAILED: {text}")


def wait_for(what, look):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    fail(f"{what} within {PATIENCE} s")


def get(host, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.{host}:9909{path}", timeout=2) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, OSError):
        return None


def started(command, log):
    with open(log, "w") as out:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)


def gateway(program, folder, host, *more):
    return started(
        [program, "--transport.bind-addr", f"127.0.0.{host}:9444", "--admin", f"127.0.0.{host}:9909",
         "--transport.proxy.trusted", "127.0.0.1", "--gateway.admin.show-peers", "on", *more],
        os.path.join(folder, f"gateway-{host}.log"))


def echo(conn):
    conn.settimeout(2)
    conn.sendall(b"hello")
    return conn.recv(5) == b"hello"


def open_from(client, front):
    conn = socket.create_connection((front, 9444), 2, source_address=(client, 0))
    try:
        return conn if echo(conn) else None
    except OSError:
        conn.close()
        return None


def attempt(client, front):
    try:
        return open_from(client, front)
    except OSError:
        return None


def peers(host):
    return [conn["peer"] for conn in json.loads(get(host, "/connections"))["connections"]]


def replaced(text, changes):
    for before, after in changes:
        if before not in text:
            fail(f"the example has no {before!r}")
        text = text.replace(before, after)
    return text


def check(name, front, program, folder):
    """Two connections of each client arrive at one replica, which sees the client's address."""
    gateways = {host: gateway(program, folder, host) for host in HOSTS}
    for host in HOSTS:
        wait_for(f"the gateway {host}", lambda: get(host, "/readyz"))
    # Health checks must have passed before the first client is counted.
    wait_for(f"an answer through {name}", lambda: attempt("127.0.0.9", front))
    time.sleep(2.5)
    conns = [open_from(client, front) for client in CLIENTS * 2]
    if not all(conns):
        fail(f"{name}: a connection has no echo")
    seen = {}
    for host in HOSTS:
        for peer in peers(host):
            seen.setdefault(peer.rsplit(":", 1)[0], []).append(host)
    for client in CLIENTS:
        if len(seen.get(client, [])) != 2:
            fail(f"{name}: {client} is seen as {seen}")
        if len(set(seen[client])) != 1:
            fail(f"{name}: {client} is not sticky: {seen[client]}")
    used = {hosts[0] for hosts in seen.values()}
    if len(used) < 2:
        fail(f"{name}: all clients reach one replica")

    # One replica drains; its clients reach another, and no connect fails meanwhile.
    victim = seen[CLIENTS[0]][0]
    for conn in conns:
        conn.close()
    gateways[victim].send_signal(signal.SIGTERM)
    served = 0
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for client in CLIENTS:
            conn = attempt(client, front)
            if conn is None:
                fail(f"{name}: a connect failed while a replica drained")
            conn.close()
            served += 1
        time.sleep(0.02)
    if gateways[victim].wait(PATIENCE) != 0:
        fail(f"{name}: the drained gateway ended with {gateways[victim].returncode}")
    for host in HOSTS:
        if host != victim and "event=reject" in open(os.path.join(folder, f"gateway-{host}.log")).read():
            fail(f"{name}: a health check or a client was rejected")
        gateways[host].kill()
        gateways[host].wait()
    print(f"{name:<14} {len(CLIENTS)} clients seen by address, each at one of {len(used)} replicas; "
          f"{served} connections while one drains, none lost")


class Balancer:
    """A balancer with its example configuration; `spread` replaces the hash of the source by round robin."""

    def __init__(self, name, example, listen, spread, command):
        self.name, self.example, self.listen = name, example, listen
        self.spread, self.command = spread, command

    def start(self, folder, front, sticky=True):
        with open(self.example) as file:
            before, after = self.listen
            changes = [(before, after.format(front)), ("192.0.2.1", "127.0.0.1")]
            text = replaced(file.read(), changes + ([] if sticky else self.spread))
        config = os.path.join(folder, os.path.basename(self.example))
        with open(config, "w") as file:
            file.write(text)
        return started(self.command(config), f"{config}.log")


def balancers(haproxy, nginx, envoy, envoy_yaml):
    return [
        Balancer("HAProxy", haproxy, ("bind :9444", "bind {}:9444"),
                 [("balance source", "balance roundrobin"), ("    hash-type consistent\n", "")],
                 lambda config: ["haproxy", "-db", "-f", config]),
        Balancer("nginx", nginx, ("listen 9444", "listen {}:9444"),
                 [("        hash $remote_addr consistent;\n", "")],
                 lambda config: ["nginx", "-e", "stderr", "-c", config, "-g",
                                 f"daemon off; pid {config}.pid;"]),
        Balancer("Envoy", envoy_yaml, ("address: 0.0.0.0, port_value: 9444", "address: {}, port_value: 9444"),
                 [("lb_policy: MAGLEV", "lb_policy: ROUND_ROBIN")],
                 lambda config: [envoy, "-c", config, "--log-level", "warn", "--concurrency", "1",
                                 "--disable-hot-restart"]),
    ]


def main():
    program, *rest = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        for at, balancer in enumerate(balancers(*rest), 1):
            front = f"127.0.0.{at}"
            process = balancer.start(folder, front)
            check(balancer.name, front, program, folder)
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
