"""A TLS server of pyOpenSSL: echoes, and tells the group that was agreed on."""
import json
import socket
import sys

from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

cfg = json.loads(sys.argv[1])
context = SSL.Context(SSL.TLS_METHOD)
context.use_certificate_chain_file(cfg["cert"])
context.use_privatekey_file(cfg["key"])
if cfg.get("groups") == "classical":
    context.set_tmp_ecdh(ec.SECP256R1())
listener = socket.create_server(("127.0.0.1", 0))
print(json.dumps({"port": listener.getsockname()[1]}))
for _ in range(cfg.get("connections", 1)):
    report = {"error": None, "version": None, "group": None, "resumed": []}
    tcp, _ = listener.accept()
    tls = SSL.Connection(context, tcp)
    tls.set_accept_state()
    try:
        tls.do_handshake()
        report["version"] = tls.get_protocol_version_name()
        report["group"] = tls.get_group_name()
        while True:
            tls.sendall(tls.recv(65536))
    except SSL.ZeroReturnError:
        tls.shutdown()
    except (SSL.Error, OSError) as error:
        report["error"] = f"{type(error).__name__}: {error}"
    tcp.close()
    print(json.dumps(report))
