"""A TLS client of pyOpenSSL, whose own OpenSSL speaks X25519MLKEM768 and tells the group."""
import json
import socket
import sys

from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

cfg = json.loads(sys.argv[1])
with open(cfg["payload"], "rb") as file:
    payload = file.read()


def exchange(tls):
    """The echo in steps, so that neither side waits for the other to read."""
    back = bytearray()
    for at in range(0, len(payload), 16384):
        chunk = payload[at : at + 16384]
        tls.sendall(chunk)
        want = at + len(chunk)
        while len(back) < want:
            back += tls.recv(want - len(back))
    return back


context = SSL.Context(SSL.TLS_METHOD)
context.load_verify_locations(cfg["ca"])
context.set_verify(SSL.VERIFY_PEER)
if cfg.get("groups") == "classical":
    context.set_tmp_ecdh(ec.SECP256R1())
report = {"error": None, "version": None, "group": None, "resumed": []}
try:
    tcp = socket.create_connection(("127.0.0.1", cfg["port"]))
    tls = SSL.Connection(context, tcp)
    tls.set_tlsext_host_name(cfg["name"].encode())
    tls.set_connect_state()
    tls.do_handshake()
    report["version"] = tls.get_protocol_version_name()
    report["group"] = tls.get_group_name()
    back = exchange(tls)
    with open(cfg["out"], "wb") as file:
        file.write(back)
    # Ours, then the gateway's.
    if not tls.shutdown():
        tls.shutdown()
    tcp.close()
except (SSL.Error, OSError) as error:
    report["error"] = f"{type(error).__name__}: {error}"
print(json.dumps(report))
