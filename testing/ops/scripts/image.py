"""Runs the image as Kubernetes would: user 65532, read-only root, no capability, Secret and ConfigMap.

usage: image.py BUNDLE
BUNDLE is an unpacked OCI bundle. Run it as root in mount, pid and network namespaces of its own.
"""

import json
import os
import re
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

USER = 65532
PATIENCE = 20
CONFIG = """[transport]
backend = "tls"
bind_addr = "0.0.0.0:9444"
max_conns = {conns}
tls.cert_path = "/etc/ron-tls/tls.crt"
tls.key_path = "/etc/ron-tls/tls.key"
[gateway]
mode = "forward"
forward_to = "tcp://upstream.example:7000"
admin_addr = "0.0.0.0:9909"
sandbox = "try"
"""


def fail(text):
    sys.exit(f"FAILED: {text}")


def run(*args):
    done = subprocess.run(args, capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"{' '.join(args)}: {done.stderr}")
    return done.stdout


def wait_for(what, look):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    fail(f"{what} within {PATIENCE} s")


class NameServer(socketserver.BaseRequestHandler):
    """Answers each question for an IPv4 address with 127.0.0.1, and others with no address."""

    def handle(self):
        question, out = self.request
        end = question.index(0, 12) + 5
        is_a = question[end - 4:end - 2] == b"\0\1"
        head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_a), 0, 0)
        answer = b"\xc0\x0c\0\1\0\1" + struct.pack("!IH", 1, 4) + socket.inet_aton("127.0.0.1")
        out.sendto(head + question[12:end] + (answer if is_a else b""), self.client_address)


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while data := self.request.recv(4096):
                self.request.sendall(data)
        except ConnectionError:
            pass  # The client of a probe is killed.


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()


class Volume:
    """A folder as the kubelet makes it: files link to `..data`, which links to a version."""

    def __init__(self, path):
        self.path, self.versions = path, 0
        os.mkdir(path)
        os.chmod(path, 0o755)

    def write(self, files, mode):
        self.versions += 1
        version = f"..{self.versions}"
        os.mkdir(os.path.join(self.path, version))
        os.chmod(os.path.join(self.path, version), 0o755)
        for name, text in files.items():
            file = os.path.join(self.path, version, name)
            with open(file, "w") as out:
                out.write(text)
            os.chmod(file, mode)
            os.chown(file, 0, USER)
        os.symlink(version, os.path.join(self.path, "..new"))
        os.rename(os.path.join(self.path, "..new"), os.path.join(self.path, "..data"))
        for name in files:
            link = os.path.join(self.path, name)
            if not os.path.islink(link):
                os.symlink(f"..data/{name}", link)


def pair(folder):
    key, cert = os.path.join(folder, "key"), os.path.join(folder, "cert")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-days", "2",
        "-addext", "subjectAltName=DNS:localhost")
    with open(cert) as c, open(key) as k:
        return {"tls.crt": c.read(), "tls.key": k.read()}


def bundle_with(bundle, volumes):
    path = os.path.join(bundle, "config.json")
    with open(path) as file:
        config = json.load(file)
    if (config["process"]["user"]["uid"], config["process"]["user"]["gid"]) != (USER, USER):
        fail(f"the image has the user {config['process']['user']}")
    config["root"]["readonly"] = True
    process = config["process"]
    process["terminal"], process["noNewPrivileges"], process["capabilities"] = False, True, {}
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 16384, "hard": 16384}]
    # The network namespace is that of this script.
    linux = config["linux"]
    linux["namespaces"] = [{"type": kind} for kind in ("mount", "pid", "ipc", "uts")]
    linux.pop("resources", None)
    for source, target in volumes.items():
        config["mounts"].append({"destination": target, "source": source, "type": "bind",
                                 "options": ["rbind", "ro", "nosuid", "nodev", "noexec"]})
    with open(path, "w") as file:
        json.dump(config, file)


def get(path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:9909{path}", timeout=2) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, OSError):
        return None


def serves(authority):
    probe = subprocess.Popen(
        ["openssl", "s_client", "-quiet", "-connect", "127.0.0.1:9444", "-CAfile", authority,
         "-verify_return_error", "-verify_hostname", "localhost", "-servername", "localhost"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        probe.stdin.write("hello\n")
        probe.stdin.flush()
        return probe.stdout.readline() == "hello\n"
    except BrokenPipeError:
        return False
    finally:
        probe.kill()
        probe.wait()


def main():
    bundle = sys.argv[1]
    run("ip", "link", "set", "lo", "up")
    # crun refuses the hybrid hierarchy of control groups, and needs none here.
    subprocess.run(["umount", "-R", "/sys/fs/cgroup"], capture_output=True)
    run("mount", "-t", "cgroup2", "none", "/sys/fs/cgroup")
    # The resolver of musl makes other system calls than that of glibc; the sandbox must permit them.
    serve(socketserver.ThreadingUDPServer(("127.0.0.1", 53), NameServer))
    serve(socketserver.ThreadingTCPServer(("127.0.0.1", 7000), Echo))
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        resolver = os.path.join(folder, "resolv.conf")
        with open(resolver, "w") as out:
            out.write("nameserver 127.0.0.1\n")
        os.chmod(resolver, 0o644)
        secret = Volume(os.path.join(folder, "secret"))
        config = Volume(os.path.join(folder, "config"))
        certificates = []
        for number in range(2):
            files = pair(folder)
            certificates.append((files, os.path.join(folder, f"authority-{number}")))
            with open(certificates[-1][1], "w") as out:
                out.write(files["tls.crt"])
        secret.write(certificates[0][0], 0o440)
        config.write({"gateway.toml": CONFIG.format(conns=100)}, 0o644)
        bundle_with(bundle, {secret.path: "/etc/ron-tls", config.path: "/etc/ron",
                             resolver: "/etc/resolv.conf"})
        log_path = os.path.join(folder, "log")
        crun = ["crun", "--cgroup-manager=disabled", "--root", os.path.join(folder, "crun")]
        with open(log_path, "w") as log:
            container = subprocess.Popen([*crun, "run", "-b", bundle, "gateway"],
                                         stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def text():
            with open(log_path) as log:
                return log.read()

        def ready():
            if container.poll() is not None:
                fail(f"the gateway ended with {container.returncode}: {text()}")
            return get("/readyz")

        wait_for("/readyz 200", ready)
        if not serves(certificates[0][1]):
            fail(f"no echo through TLS from the upstream: {text()}")
        sandbox = json.loads(get("/status")).get("sandbox")
        pid = json.loads(run(*crun, "state", "gateway"))["pid"]
        with open(f"/proc/{pid}/status") as status:
            status = status.read()
        for field, expected in [("Uid", str(USER)), ("CapEff", "0" * 16), ("NoNewPrivs", "1")]:
            found = re.search(rf"^{field}:\s+(\S+)", status, re.M)[1]
            if found != expected:
                fail(f"{field} is {found}, not {expected}")
        print("forwarded      TLS to an upstream whose name DNS resolves")
        print(f"started        user {USER}, read-only root, no capability, key mode 0440; "
              f"sandbox {json.dumps(sandbox)}")

        secret.write(certificates[1][0], 0o440)
        wait_for("the renewed certificate", lambda: serves(certificates[1][1]))
        config.write({"gateway.toml": CONFIG.format(conns=101)}, 0o644)
        wait_for("the changed configuration",
                 lambda: re.search(r"event=reload result=ok keys=max_conns", text()))
        if "result=rejected" in text():
            fail(f"a reload was rejected: {text()}")
        print("reloaded       certificate and configuration, by a rename of ..data")

        secret.write(certificates[1][0], 0o444)
        wait_for("the refusal of an open key", lambda: "insecure permissions" in text())
        print("refused        a key with mode 0444")

        run(*crun, "kill", "gateway", "TERM")
        code = container.wait(PATIENCE)
        if code != 0 or "event=shutdown" not in text():
            fail(f"the gateway ended with {code}: {text()}")
        print("stopped        SIGTERM, exit code 0")


main()
