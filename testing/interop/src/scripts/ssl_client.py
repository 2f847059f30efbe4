"""A TLS client of Python's ssl module: sends a file, compares nothing, stores what came back."""
import contextlib
import json
import os
import socket
import ssl
import sys

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
            data = tls.recv(want - len(back))
            if not data:
                raise EOFError("the gateway ended the stream")
            back += data
    return back


context = ssl.create_default_context(cafile=cfg["ca"])
# What newer Pythons demand by default.
context.verify_flags |= ssl.VERIFY_X509_STRICT
if cfg.get("max") == "1.2":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
if cfg.get("cert"):
    context.load_cert_chain(cfg["cert"], cfg["key"])
report = {"error": None, "version": None, "group": None, "resumed": []}
session = None
try:
    for _ in range(cfg.get("sessions", 1)):
        tcp = socket.create_connection(("127.0.0.1", cfg["port"]), timeout=15)
        tls = context.wrap_socket(tcp, server_hostname=cfg["name"], session=session)
        back = b"" if cfg.get("end") == "leave" else exchange(tls)
        report["version"] = tls.version()
        report["resumed"].append(tls.session_reused)
        session = tls.session
        with open(cfg["out"], "wb") as file:
            file.write(back)
        if cfg.get("end") == "cut":
            os.close(tls.detach())
        elif cfg.get("end") == "leave":
            # Our close_notify, and no read.
            tls.settimeout(0)
            with contextlib.suppress(OSError):
                tls.unwrap()
            tls.close()
        else:
            tls.unwrap().close()
except (OSError, EOFError) as error:
    report["error"] = f"{type(error).__name__}: {error}"
print(json.dumps(report))
