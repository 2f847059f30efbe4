//! The compared proxies: processes with one worker each.
//!
//! A proxy terminates TLS and forwards to a TCP upstream.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::pki::Pki;
use crate::servers::{any, LIMITS};

/// A running proxy, ended on drop.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Proxy {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts the gateway, with every limit on.
    ///
    /// The release build lies beside this program.
    pub(crate) fn gateway(pki: &Pki, settings: &[(&str, &str)]) -> Self {
        let program = std::env::current_exe()
            .unwrap()
            .with_file_name("ron-gateway");
        let (cert, key) = (pki.dir.file("cert.pem"), pki.dir.file("key.pem"));
        let limits: Vec<_> = LIMITS
            .iter()
            .map(|(key, value)| (format!("transport.{key}"), *value))
            .collect();
        let mut all = vec![
            ("transport.backend", "tls"),
            ("transport.tls.cert_path", &cert),
            ("transport.tls.key_path", &key),
        ];
        all.extend(limits.iter().map(|(key, value)| (&**key, *value)));
        all.extend(settings);
        Self::gateway_at(&program, pki, &all)
    }

    /// Starts a gateway program with these settings, and one worker.
    pub(crate) fn gateway_at(program: &Path, pki: &Pki, settings: &[(&str, &str)]) -> Self {
        let addr = free();
        let mut command = ron_lab::Start::new(program).bare(&[]);
        // One worker, as the other proxies have. An older build has no key for it.
        command.env("TOKIO_WORKER_THREADS", "1");
        let mut set = |key: &str, value: &str| {
            command.args([format!("--{key}"), value.to_owned()]);
        };
        if knows_workers(program) {
            set("gateway.workers", "1");
        }
        set("transport.bind_addr", &addr.to_string());
        set("gateway.admin_addr", "");
        for (key, value) in settings {
            set(key, value);
        }
        start(command, pki, "gateway.log", addr)
    }

    /// Starts an echo server of this program, in a separate process.
    pub(crate) fn idle(pki: &Pki, kind: &str) -> Self {
        let addr = free();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["idle", kind, &addr.to_string()]);
        start(command, pki, "idle.log", addr)
    }

    /// Starts a relay without limits: tokio alone, on one thread.
    pub(crate) fn bare_relay(pki: &Pki, upstream: SocketAddr) -> Self {
        let addr = free();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["relay", &addr.to_string(), &upstream.to_string()]);
        start(command, pki, "relay.log", addr)
    }

    /// Starts nginx with its stream module, as Debian builds it.
    pub(crate) fn nginx(pki: &Pki, upstream: SocketAddr, logs: bool) -> Self {
        let (cert, key) = (pki.dir.file("cert.pem"), pki.dir.file("key.pem"));
        let tls = format!(
            "ssl_certificate {cert}; ssl_certificate_key {key};\n\
             ssl_protocols TLSv1.3; ssl_ecdh_curve X25519;\n"
        );
        Self::nginx_with(pki, upstream, " ssl", &tls, logs)
    }

    /// Starts nginx as a TCP proxy.
    pub(crate) fn nginx_tcp(pki: &Pki, upstream: SocketAddr, logs: bool) -> Self {
        Self::nginx_with(pki, upstream, "", "", logs)
    }

    fn nginx_with(pki: &Pki, upstream: SocketAddr, flag: &str, tls: &str, logs: bool) -> Self {
        let addr = free();
        let file = |ending| pki.dir.file(&format!("nginx-{}.{ending}", addr.port()));
        let (pid, log) = (file("pid"), file("error"));
        let access = match logs {
            true => format!(
                "log_format line '$remote_addr [$time_local] $protocol $status $bytes_sent \
                 $bytes_received $session_time'; access_log {} line;",
                file("access")
            ),
            false => "access_log off;".to_owned(),
        };
        let config = format!(
            "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
             daemon off; worker_processes 1; pid {pid}; error_log {log} warn;\n\
             events {{ worker_connections 16384; }}\n\
             stream {{ {access} server {{\n\
             listen {addr}{flag} backlog=1024; proxy_pass {upstream};\n\
             {tls} }} }}\n"
        );
        std::fs::write(file("conf"), config).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-c", &file("conf"), "-e", &log]);
        start(command, pki, "nginx.log", addr)
    }

    /// Starts `HAProxy`, as Debian builds it.
    pub(crate) fn haproxy(pki: &Pki, upstream: SocketAddr, logs: bool) -> Self {
        let pair = pki.dir.file("pair.pem");
        let tls = format!(" ssl crt {pair} ssl-min-ver TLSv1.3 curves X25519");
        Self::haproxy_with(pki, upstream, &tls, logs)
    }

    /// Starts `HAProxy` as a TCP proxy.
    pub(crate) fn haproxy_tcp(pki: &Pki, upstream: SocketAddr, logs: bool) -> Self {
        Self::haproxy_with(pki, upstream, "", logs)
    }

    fn haproxy_with(pki: &Pki, upstream: SocketAddr, tls: &str, logs: bool) -> Self {
        let addr = free();
        let (sink, line) = match logs {
            true => (
                "  log stdout format raw local0\n",
                "  log global\n  option tcplog\n",
            ),
            false => ("", ""),
        };
        let config = format!(
            "global\n  nbthread 1\n  maxconn 8192\n{sink}\
             defaults\n  mode tcp\n{line}  timeout connect 10s\n  timeout client 60s\n  timeout server 60s\n\
             listen bench\n  bind {addr}{tls}\n  \
             server upstream {upstream}\n"
        );
        let file = pki.dir.file(&format!("haproxy-{}.conf", addr.port()));
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f", &file]);
        start(command, pki, "haproxy.log", addr)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // SIGTERM, so that a master process ends its workers.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Returns whether a gateway program has the key `gateway.workers`.
fn knows_workers(program: &Path) -> bool {
    let mut check = Command::new(program);
    check.args([
        "check",
        "--gateway.workers",
        "1",
        "--gateway.admin_addr",
        "",
    ]);
    check.stdout(Stdio::null()).stderr(Stdio::null());
    check.status().unwrap().success()
}

/// Returns a free address.
///
/// The other proxies do not report the port that port 0 became.
fn free() -> SocketAddr {
    TcpListener::bind(any()).unwrap().local_addr().unwrap()
}

/// Starts a proxy that logs to a file, and waits for it.
fn start(mut command: Command, pki: &Pki, log: &str, addr: SocketAddr) -> Proxy {
    let log = pki.dir.path(log);
    let output = File::create(&log).unwrap();
    let errors = output.try_clone().unwrap();
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let child = command.spawn().unwrap();
    let mut proxy = Proxy { child, addr };
    for _ in 0..500 {
        if TcpStream::connect(addr).is_ok() {
            return proxy;
        }
        if proxy.child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let said = std::fs::read_to_string(log).unwrap();
    panic!("{command:?} does not listen: {said}");
}
