"""Measures three gateways behind HAProxy, nginx and Envoy: shares, limits of peers, resumed sessions.

usage: replicas.py GATEWAY HAPROXY_CFG NGINX_CONF ENVOY ENVOY_YAML
Run it as root in network and pid namespaces of its own. It prints tables as one JSON document.
"""

import json
import os
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import time

from balancers import HOSTS, attempt, balancers, gateway, get, open_from, wait_for

FRONT = "127.0.0.1"
ADDRESSES = [f"127.0.{net}.{n}" for net in (1, 2) for n in range(1, 101)]
OF_EACH = 5
HOT = "127.0.3.1"
LIMIT = 12
SESSIONS = 30


def serving(program, folder, more):
    gateways = [gateway(program, folder, host, *more) for host in HOSTS]
    for host in HOSTS:
        wait_for(f"the gateway {host}", lambda: get(host, "/readyz"))
    return gateways


def ended(processes):
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()


def listens():
    try:
        socket.create_connection((FRONT, 9444), 1).close()
    except OSError:
        return False
    return True


def inflight():
    return [int(sum(float(line.rsplit(" ", 1)[1]) for line in get(host, "/metrics").splitlines()
                    if line.startswith("conn_inflight{"))) for host in HOSTS]


def emptied():
    wait_for("the end of all connections", lambda: not any(inflight()))


def closed(conns):
    for conn in conns:
        if conn:
            conn.close()
    emptied()


def shares():
    """Returns the connections of each replica, of clients at many addresses."""
    clients = ADDRESSES * OF_EACH
    random.Random(1).shuffle(clients)
    conns = [open_from(client, FRONT) for client in clients]
    found = inflight()
    closed(conns)
    return found


def admitted():
    """Returns how many connections of one address are served at once."""
    conns = [attempt(HOT, FRONT) for _ in range(LIMIT * 5)]
    served = sum(map(bool, conns))
    closed(conns)
    return served


def refused():
    """Returns the share of refused connections of addresses that keep the limit of the whole."""
    clients = ADDRESSES[:40] * LIMIT
    random.Random(1).shuffle(clients)
    conns = [attempt(client, FRONT) for client in clients]
    lost = sum(not conn for conn in conns) / len(conns)
    closed(conns)
    return lost


def resumed():
    """Returns how many of the sessions resume, each with the ticket of the one before."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session, count = None, 0
    for _ in range(SESSIONS + 1):
        tcp = socket.create_connection((FRONT, 9444), 5, source_address=(HOT, 0))
        with context.wrap_socket(tcp, server_hostname="localhost", session=session) as conn:
            conn.sendall(b"hello")
            assert conn.recv(5) == b"hello"
            count += conn.session_reused
            session = conn.session
    return count


def certificate(folder):
    cert, key, tickets = (os.path.join(folder, name) for name in ("cert.pem", "key.pem", "tickets"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    with open(tickets, "w") as out:
        subprocess.run(["openssl", "rand", "-base64", "48"], check=True, stdout=out)
    for path in (key, tickets):
        os.chmod(path, 0o600)
    tls = ["--transport.backend", "tls", "--transport.tls.cert-path", cert, "--transport.tls.key-path", key]
    return tls, ["--transport.tls.ticket-keys-path", tickets]


def during(program, folder, balancer, sticky, more, measure):
    """Measures behind the balancer with replicas of these settings."""
    gateways = serving(program, folder, more)
    process = balancer.start(folder, FRONT, sticky)
    wait_for(balancer.name, listens)
    # Health checks must have passed before the first client is counted.
    time.sleep(2.5)
    emptied()
    found = measure()
    ended([process] + gateways)
    return found


def main():
    program, *rest = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    limits = [("N", LIMIT), ("N / 3", LIMIT // 3), ("N / 2", LIMIT // 2)]
    share_rows, limit_rows, ticket_rows = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        tls, keys = certificate(folder)
        for balancer in balancers(*rest):
            for sticky, name in ((True, "by source"), (False, "round robin")):
                run = lambda more, measure: during(program, folder, balancer, sticky, more, measure)
                found = run([], shares)
                percent = [f"{100 * part / sum(found):.1f} %" for part in found]
                share_rows.append([balancer.name, name, *percent,
                                   f"{max(found) * len(found) / sum(found):.2f}"])
                for what, limit in limits[:1] if sticky else limits:
                    more = ["--transport.per-peer.max-conns", str(limit)]
                    served, lost = run(more, lambda: (admitted(), refused()))
                    limit_rows.append([balancer.name, name, what, f"{served / LIMIT:.2f} N",
                                       f"{100 * lost:.1f} %"])
                for what, more in (("own", tls), ("shared", tls + keys)):
                    ticket_rows.append([balancer.name, name, what, f"{run(more, resumed)} of {SESSIONS}"])
    clients = f"{len(ADDRESSES)} addresses with {OF_EACH} connections each"
    print(json.dumps([
        {"name": "shares", "title": f"Connections at each of three replicas: {clients}, in random order",
         "columns": ["balancer", "algorithm", "replica 1", "replica 2", "replica 3", "busiest / mean"],
         "rows": share_rows},
        {"name": "peer-limits",
         "title": f"A limit of N = {LIMIT} connections for one peer: what one address gets from three replicas, "
                  "and the refused share of 40 addresses with N connections each, in random order",
         "columns": ["balancer", "algorithm", "per_peer.max_conns", "one address gets", "refused within N"],
         "rows": limit_rows},
        {"name": "tickets",
         "title": f"Sessions that resume, each with the ticket of the one before ({ssl.OPENSSL_VERSION})",
         "columns": ["balancer", "algorithm", "ticket keys", "resumed"],
         "rows": ticket_rows},
    ]))


main()
