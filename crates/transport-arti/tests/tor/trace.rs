//! System calls of a process with Tor and amnesia, by strace.
//!
//! The trace covers bootstrap, dials, the onion service, an outage and the shutdown.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ron_tornet::TorNet;
use transport_arti::transport_core::{ReadyReason, ReadyState, Target};

use crate::rig::{
    becomes, config_path, failed, reach, round_trip, skip, start, target, tcp_echo, LONG,
};

const NAME: &str = "trace::amnesia_writes_only_to_memory";
/// Environment variable of the traced child: the path of Arti's configuration file.
const ROLE: &str = "TRANSPORT_ARTI_TRACED_WITH";
const CALLS: &str = "trace=open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,\
                     linkat,symlink,symlinkat,mknod,mknodat,truncate,unlink,unlinkat,execve,\
                     connect,sendto,sendmsg,sendmmsg,bind";

#[test]
fn amnesia_writes_only_to_memory() {
    if let Some(path) = env::var_os(ROLE) {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(child(Path::new(&path)));
    }
    let strace = Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    if skip(NAME) || !strace.is_ok_and(|status| status.success()) {
        let _ = writeln!(std::io::stderr(), "SKIPPED, `strace` is required: {NAME}");
        return;
    }
    let tor = TorNet::start().unwrap();
    let work = tempfile::tempdir().unwrap();
    let log = work.path().join("log");
    let mut traced = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-qq",
            "-s",
            "256",
            "-e",
            CALLS,
            "-e",
            "signal=none",
            "-o",
        ])
        .arg(&log)
        .arg(env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, config_path(&tor))
        .current_dir(work.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(traced.stdout.take().unwrap()).lines();
    let mut wait_for = |word: &str| {
        let found = output.by_ref().any(|line| line.unwrap().contains(word));
        assert!(found, "the child ended before it printed {word:?}");
    };
    wait_for("child: up");
    tor.cut_off().unwrap();
    wait_for("child: degraded");
    tor.restore().unwrap();
    wait_for("child: again");
    wait_for("child: down");
    assert!(traced.wait().unwrap().success());
    let log = fs::read_to_string(&log).unwrap();
    let found = violations(&log);
    assert!(found.is_empty(), "{}", found.join("\n"));
    // The trace contains allowed calls, so it would contain forbidden ones.
    assert!(log.contains("ron-transport-arti-") && log.contains("O_CREAT"));
    assert!(log.contains("connect("));
}

/// Runs in the traced child and prints its progress.
///
/// The parent waits for this progress and interrupts the network.
async fn child(config_path: &Path) {
    const DEGRADED: ReadyState = ReadyState::Degraded {
        reason: ReadyReason::ArtiBootstrap,
    };
    let mut config = transport_arti::ArtiConfig::default();
    config.set_config_path(Some(config_path.into())).unwrap();
    config.onion_service_mut().set_enabled(true);
    let (net, _) = start(&config).await;
    becomes(&net, ReadyState::Ready, LONG).await;
    let mut listener = net.listener().unwrap();
    tokio::spawn(async move {
        use transport_arti::transport_core::{Listener, Pending};
        while let Ok(pending) = listener.accept().await {
            tokio::spawn(async move {
                if let Ok(ours) = pending.establish().await {
                    let (mut read, mut write) = tokio::io::split(ours.io);
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                }
            });
        }
    });
    let dialer = net.dialer();
    let echo: Target = tcp_echo().await.to_string().parse().unwrap();
    round_trip(&mut reach(&dialer, &echo).await.io, b"through an exit").await;
    // Local resolution would contact a name server or read a file, which the trace would show.
    let by_name = Target::host("name.invalid", 80).unwrap();
    assert_eq!(failed(&dialer, &by_name).await.kind(), "resolve");
    let onion = target(&net, 80);
    round_trip(&mut reach(&dialer, &onion).await.io, b"to an onion service").await;
    println!("child: up");
    becomes(&net, DEGRADED, LONG).await;
    println!("child: degraded");
    becomes(&net, ReadyState::Ready, LONG).await;
    round_trip(&mut reach(&dialer, &echo).await.io, b"again").await;
    // The address stays the same even if the client was replaced.
    round_trip(&mut reach(&dialer, &onion).await.io, b"served again").await;
    println!("child: again");
    assert!(net.shutdown(Duration::from_secs(5)).await);
    println!("child: down");
}

/// Returns the calls that the test forbids.
///
/// These write, execute, resolve or connect outside of the allowed places.
fn violations(log: &str) -> Vec<String> {
    let mut calls = log.lines().filter(|line| !line.contains("resumed>"));
    // The first call starts the traced process.
    let first = calls.next();
    assert!(
        first.is_some_and(|line| line.contains("execve(")),
        "{first:?}"
    );
    calls
        .filter(|line| is_violation(line))
        .map(str::to_owned)
        .collect()
}

fn is_violation(line: &str) -> bool {
    let call = line
        .split_once(' ')
        .map_or(line, |(_pid, call)| call.trim_start());
    let in_memory = call.contains("ron-transport-arti-");
    let name = call.split('(').next().unwrap_or_default();
    match name {
        "open" | "openat" | "openat2" => {
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TMPFILE"];
            let written = writes.iter().any(|flag| call.contains(flag));
            // The C library reads these files before it resolves a name.
            let resolving = call.contains("resolv.conf") || call.contains("/etc/hosts");
            written && !in_memory && !call.contains("\"/dev/null\"") || resolving
        }
        // Arti tries to remove its temporary files in the working directory.
        "unlink" | "unlinkat" => !(in_memory || call.contains(".tmp\"")),
        // The C library asks the name service cache (nscd) for users, whose files Arti trusts. A
        // running cache could resolve hosts as well, so only a failed connection is allowed.
        "connect" if call.contains("nscd") => !call.contains("ENOENT"),
        "connect" => !call.contains("127.0.0.1") || call.contains("htons(53)"),
        "sendto" | "sendmsg" | "sendmmsg" | "bind" => {
            call.contains("htons(53)") || call.contains("AF_UNIX, sun_path")
        }
        _ => !in_memory,
    }
}
