//! Command line and configuration, including exit codes.

use std::path::PathBuf;

use crate::common::{bound_to_nothing, run, Gateway};

struct File(tempfile::TempDir);

impl File {
    fn with(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("gateway.toml"), text).unwrap();
        Self(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("gateway.toml")
    }
}

#[test]
fn unknown_key_suggests_nearest_with_all_errors() {
    let file = File::with(
        "[transport]\nmax_cons = 5\nread_timeout = '5 parsecs'\n\
         [gateway]\nmode = 'forward'\nlog.levle = 'info'\n[mine]\nx = 1\n",
    );
    let path = file.path();
    let (code, out, errors) = run(&["--config", path.to_str().unwrap()], &[]);
    assert_eq!((code, out.as_str()), (2, ""));
    for part in [
        "4 errors",
        "transport.max_cons",
        "did you mean max_conns?",
        "transport.read_timeout = \"5 parsecs\"",
        "gateway.log.levle",
        "did you mean log.level?",
        "forward needs forward_to",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
}

#[test]
fn check_prints_every_value_with_its_source() {
    let file = File::with(
        "[transport]\nmax_conns = 5\nidle_timeout = '17s'\n[gateway]\nmode = 'echo_frames'\n",
    );
    let path = file.path();
    let path = path.to_str().unwrap();
    let env = [
        ("RON_TRANSPORT_MAX_CONNS", "6"),
        ("RON_TRANSPORT_DRAIN_TIMEOUT", "9s"),
    ];
    let args = ["check", "--config", path, "--transport.drain-timeout", "1s"];
    let (code, out, errors) = run(&args, &env);
    assert_eq!((code, errors.as_str()), (0, ""));
    let line = |key: &str| {
        let line = out.lines().find(|line| line.split(' ').next() == Some(key));
        let line = line.unwrap_or_else(|| panic!("no {key} in\n{out}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("max_conns"),
        "max_conns = 6 # environment RON_TRANSPORT_MAX_CONNS"
    );
    assert_eq!(
        line("drain_timeout"),
        "drain_timeout = \"1s\" # flag --transport.drain-timeout"
    );
    assert_eq!(
        line("idle_timeout"),
        format!("idle_timeout = \"17s\" # file {path}")
    );
    assert_eq!(
        line("bind_addr"),
        "bind_addr = [\"127.0.0.1:9444\"] # gateway default"
    );
    assert_eq!(
        line("mode"),
        format!("mode = \"echo_frames\" # file {path}")
    );
    assert_eq!(
        line("admin_addr"),
        "admin_addr = \"127.0.0.1:9909\" # default"
    );
    // The output loads again and prints the same.
    let printed = File::with(&out);
    let printed = printed.path();
    let (code, again, errors) = run(&["check", "--config", printed.to_str().unwrap()], &[]);
    assert_eq!((code, errors.as_str()), (0, ""));
    let values = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.split("  # ").next().unwrap().trim_end().to_owned())
            .collect()
    };
    assert_eq!(values(&out), values(&again));
}

#[test]
fn check_warns_and_rejects() {
    let args = [
        "check",
        "--admin",
        "0.0.0.0:9909",
        "--gateway.forward-to",
        "tcp://a:1",
    ];
    let (code, _, errors) = run(&args, &[]);
    assert_eq!(code, 0);
    assert!(errors.contains("without a login"), "{errors}");
    assert!(errors.contains("forward_to has no effect"), "{errors}");
    for args in [
        &["check", "--config", "no-such-file.toml"][..],
        &["check", "--transport.bind-addr", ""],
        &["check", "--gateway.mode", "forward"],
        #[cfg(not(feature = "arti"))]
        &["check", "--forward", "tor://x.onion:80"],
        &["check", "--forward", "nonsense"],
        &["check", "--transport.backend", "tls"],
    ] {
        let (code, out, errors) = run(args, &[]);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?} {errors}");
    }
}

#[test]
fn unknown_flag_suggests_nearest() {
    for (args, nearest) in [
        (&["--ehco"][..], "--echo"),
        (&["--transport.max-conn", "5"], "--transport.max-conns"),
        (&["--gateway.admin-adr", "x"], "--gateway.admin-addr"),
        (&["chekc"], "check"),
    ] {
        let (code, out, errors) = run(args, &[]);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(
            errors.contains(&format!("did you mean {nearest}?")),
            "{errors}"
        );
    }
    for (more, why) in [
        (
            [
                "--transport.tls.cert-path=/c",
                "--transport.tls.key-path=/k",
            ],
            "creates its own certificate",
        ),
        (
            ["--transport.backend=tcp", "--admin="],
            "needs backend tls, and backend is tcp",
        ),
    ] {
        let mut args = vec!["--dev-tls"];
        args.extend(more);
        let (code, _, errors) = run(&args, &[]);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(why), "{errors}");
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    let (code, out, errors) = run(&["--help"], &[]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(out.contains("--forward TARGET"), "{out}");
    let (code, out, _) = run(&["--version"], &[]);
    let version = concat!("ron-gateway ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((code, out.as_str()), (0, version));
}

#[test]
fn dial_prints_its_result() {
    let gateway = Gateway::start(&[]);
    let target = format!("tcp://{}", gateway.addr);
    let (code, out, errors) = run(&["dial", &target], &[]);
    assert_eq!((code, errors.as_str()), (0, ""));
    for part in [
        target.as_str(),
        "backend    tcp",
        "local      127.0.0.1:",
        "resolve    ",
        "connect    ",
        "total      ",
        " ms",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (_socket, dead) = bound_to_nothing();
    let (code, out, errors) = run(&["dial", &format!("tcp://{dead}")], &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        errors.contains(&format!("cannot connect to {dead}")),
        "{errors}"
    );
    #[cfg(not(feature = "arti"))]
    {
        let (code, _, errors) = run(&["dial", "tor://x.onion:80"], &[]);
        assert_eq!(code, 2);
        assert!(errors.contains("`arti`"), "{errors}");
    }
}

/// The second listener would fail.
///
/// A forward to the gateway itself would dial itself without end.
#[test]
fn conflicting_addresses_are_rejected() {
    let bind = |addr| ["--transport.bind-addr", addr];
    for (bind, more, named) in [
        (
            "127.0.0.1:7",
            ["--admin", "127.0.0.1:7"],
            "gateway.admin_addr",
        ),
        (
            "0.0.0.0:7",
            ["--admin", "127.0.0.1:7"],
            "gateway.admin_addr",
        ),
        ("[::]:7", ["--admin", "0.0.0.0:7"], "gateway.admin_addr"),
        (
            "127.0.0.1:7",
            ["--forward", "tcp://localhost:7"],
            "gateway.forward_to",
        ),
        (
            "0.0.0.0:7",
            ["--forward", "tcp://127.0.0.1:7"],
            "gateway.forward_to",
        ),
        (
            "[::]:7",
            ["--forward", "tcp://[::1]:7"],
            "gateway.forward_to",
        ),
    ]
    .map(|(addr, more, named)| (bind(addr), more, named))
    {
        for command in [&["check"][..], &[]] {
            let args = [command, &bind, &more].concat();
            let (code, out, errors) = run(&args, &[]);
            assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
            assert!(errors.contains(named), "{args:?}: {errors}");
        }
    }
    let (code, _, errors) = run(&["check", "--forward", "tcp://localhost:9909"], &[]);
    assert_eq!((code, errors.as_str()), (0, ""));
}

#[cfg(feature = "uds")]
#[test]
fn forward_to_own_unix_socket_is_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let path = path.to_str().unwrap();
    let to = format!("unix://{path}");
    let args = [
        "check",
        "--transport.backend",
        "uds",
        "--transport.uds.path",
        path,
        "--transport.uds.allow-uids",
        "0",
        "--forward",
        &to,
    ];
    let (code, _, errors) = run(&args, &[]);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("the gateway itself"), "{errors}");
}

#[test]
fn dial_timeout_as_long_as_idle_warned() {
    let check = |dial| run(&["check", "--transport.dial-timeout", dial], &[]);
    assert_eq!(check("59s").2, "");
    let (code, _, errors) = check("60s");
    assert_eq!(code, 0);
    assert!(
        errors.contains("dial_timeout is 60s, not below"),
        "{errors}"
    );
}
