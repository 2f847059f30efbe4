//! With amnesia the gateway writes no file and wipes payload in memory.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use rustix::process::Signal;

use crate::common::{connect, echoes, pattern, round_trip, wait_for, Gateway, Start};

/// System calls that change the file system, with any arguments.
const CHANGES: &[&str] = &[
    "creat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "truncate",
    "ftruncate",
    "fallocate",
    "chmod",
    "fchmodat",
    "memfd_create",
    "unlink",
    "unlinkat",
    "rmdir",
    "copy_file_range",
];

/// Returns the traced calls that write to the file system.
fn changes(trace: &str) -> Vec<&str> {
    let changes = |line: &&str| {
        let call = line
            .split_once(' ')
            .map_or(*line, |(_pid, call)| call.trim_start());
        let name = call.split('(').next().unwrap_or_default();
        let opens = matches!(name, "open" | "openat" | "openat2");
        let for_writing = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TMPFILE"];
        CHANGES.contains(&name) || opens && for_writing.iter().any(|flag| call.contains(flag))
    };
    trace.lines().filter(changes).collect()
}

#[test]
fn file_changes_are_detected() {
    let trace = "1 openat(AT_FDCWD, \"/a\", O_RDONLY|O_CLOEXEC) = 3\n\
                 2 openat(AT_FDCWD, \"/b\", O_WRONLY|O_CREAT, 0600) = 3\n\
                 3 rename(\"/c\", \"/d\") = 0\n4 write(1, \"O_RDWR\", 6) = 6\n";
    let found = changes(trace);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn amnesia_writes_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (trace, file) = (dir.path().join("trace"), dir.path().join("gateway.toml"));
    fs::write(&file, "[transport]\nmax_conns = 5\n").unwrap();
    let gateway = Start::default()
        .args(&["--config", file.to_str().unwrap()])
        .env("RON_TRANSPORT_AMNESIA", "ON")
        .trace(&trace)
        .spawn();
    let sent = pattern(1 << 20);
    assert!(round_trip(connect(gateway.addr), &sent) == sent);
    assert_eq!(gateway.get("/metrics").status, 200);
    fs::write(&file, "[transport]\nmax_conns = 6\n").unwrap();
    gateway.signal(Signal::HUP);
    gateway.wait_metric("transport_reloads_total{result=\"ok\"}", 1);
    fs::write(&file, "nonsense").unwrap();
    gateway.signal(Signal::HUP);
    gateway.wait_metric("transport_reloads_total{result=\"rejected\"}", 1);
    let pid = gateway.pid().to_string();
    gateway.stop();
    let text = wait_for("the end of the trace", || {
        let text = fs::read_to_string(&trace).unwrap();
        let end = |line: &str| line.starts_with(&pid) && line.contains("+++ exited");
        text.lines().any(end).then_some(text)
    });
    // The trace covers the file accesses.
    assert!(text.contains("gateway.toml") && text.contains("O_RDONLY"));
    assert_eq!(changes(&text), Vec::<&str>::new());
}

/// Returns whether writable memory of a process contains these bytes.
fn holds(pid: u32, wanted: &[u8]) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let writable = maps.lines().filter(|line| line.contains(" rw"));
    let mut regions = writable.filter_map(|line| {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        Some((hex(from)?, hex(to)?))
    });
    regions.any(|(from, to)| {
        memory.seek(SeekFrom::Start(from)).unwrap();
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // A region may disappear meanwhile, or be partly unreadable.
        memory.read_exact(&mut bytes).is_ok() && bytes.windows(wanted.len()).any(|w| w == wanted)
    })
}

/// Sends a secret through three gateways; returns whether one still holds it.
///
/// One echoes, one echoes frames, and one forwards.
fn remembers(amnesia: &str) -> bool {
    let start = |args: &[&str]| {
        let start = Start::default().args(args);
        start.env("RON_TRANSPORT_AMNESIA", amnesia).spawn()
    };
    let (echo, frames) = (start(&[]), start(&["--echo-frames"]));
    let forward = start(&["--forward", &format!("tcp://{}", frames.addr)]);
    // Bytes that occur nowhere else.
    let secret = &pattern(100_064)[100_000..];
    let mut framed = vec![0, 0, 0, 64];
    framed.extend_from_slice(secret);
    assert!(round_trip(connect(echo.addr), secret) == secret);
    assert!(round_trip(connect(forward.addr), &framed) == framed);
    let gateways = [echo, frames, forward];
    for gateway in &gateways {
        gateway.wait_metric("conn_inflight{backend=\"tcp\"}", 0);
    }
    let held = gateways.iter().any(|gateway| holds(gateway.pid(), secret));
    for gateway in gateways {
        assert!(Path::new("/proc").join(gateway.pid().to_string()).exists());
        gateway.stop();
    }
    held
}

#[test]
fn payload_wiped_from_memory_by_amnesia_only() {
    assert!(!remembers("ON"));
    assert!(remembers("off"));
}

#[test]
fn kubernetes_service_variables_ignored() {
    let gateway = Start::default()
        .env("RON_TRANSPORT_PORT", "tcp://10.0.0.1:80")
        .env("RON_TRANSPORT_PORT_80_TCP", "tcp://10.0.0.1:80")
        .env("RON_TRANSPORT_PORT_80_TCP_ADDR", "10.0.0.1")
        .env("RON_TRANSPORT_SERVICE_HOST", "10.0.0.1")
        .env("RON_TRANSPORT_SERVICE_PORT", "80")
        .env("RON_GATEWAY_PORT", "tcp://10.0.0.1:80")
        .env("RON_GATEWAY_SERVICE_HOST", "10.0.0.1")
        .spawn();
    assert!(echoes(&mut connect(gateway.addr)));
    gateway.stop();
}

/// The edge preset enables amnesia.
#[test]
fn edge_preset_starts_and_serves() {
    let gateway = Gateway::start(&["--transport.preset", "edge"]);
    assert!(echoes(&mut connect(gateway.addr)));
    gateway.stop();
}
