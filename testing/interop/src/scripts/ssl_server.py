"""A TLS server of Python's ssl module: echoes, and ends each connection as it is told."""
import contextlib
import json
import os
import socket
import ssl
import sys

cfg = json.loads(sys.argv[1])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cfg["cert"], cfg["key"])
if cfg.get("max") == "1.2":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
if cfg.get("client_ca"):
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cfg["client_ca"])
listener = socket.create_server(("127.0.0.1", 0))
print(json.dumps({"port": listener.getsockname()[1]}))
for _ in range(cfg.get("connections", 1)):
    report = {"error": None, "version": None, "group": None, "resumed": []}
    tcp, _ = listener.accept()
    tcp.settimeout(15)
    tls = context.wrap_socket(tcp, server_side=True, do_handshake_on_connect=False)
    try:
        tls.do_handshake()
        report["version"] = tls.version()
        report["resumed"].append(tls.session_reused)
        while data := tls.recv(65536):
            tls.sendall(data)
        if cfg.get("end") == "cut":
            os.close(tls.detach())
        else:
            tls.unwrap().close()
    except OSError as error:
        report["error"] = f"{type(error).__name__}: {error}"
        # A socket that is closed with something unread takes the alert back.
        tcp = socket.socket(fileno=tls.detach())
        tcp.settimeout(15)
        with contextlib.suppress(OSError):
            tcp.shutdown(socket.SHUT_WR)
            while tcp.recv(65536):
                pass
        tcp.close()
    print(json.dumps(report))
