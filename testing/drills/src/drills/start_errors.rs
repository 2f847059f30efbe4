//! Failing starts, whose message names the cause.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Drill;
use crate::case::{ensure, Case, Outcome, Stop};
use ron_lab::Lab;
use ron_lab::Start;

pub(super) const BAD_KEY_PERMS: Drill = Drill {
    name: "tls-bad-key-perms",
    fault: "the private key is readable by others",
    expected: "start fails with 2, `insecure permissions`, NotReady(\"tls\"), never Ready",
    cure: "chmod 0600 on the key, start",
    quick: true,
    run: bad_key_perms,
};

fn bad_key_perms(lab: &Lab, case: &mut Case) -> Outcome {
    let key = lab.pki.key("server");
    mode(&key, 0o644)?;
    refused_for_tls(&lab.tls(), case, "insecure permissions", &key)?;
    case.cure();
    mode(&key, 0o600)?;
    starts(&lab.tls(), case)
}

pub(super) const MISSING_KEY: Drill = Drill {
    name: "tls-missing-key",
    fault: "the private key is missing",
    expected: "start fails with 2, `tls key read failed`, NotReady(\"tls\"), never Ready",
    cure: "put the key where tls.key_path says, start",
    quick: true,
    run: missing_key,
};

fn missing_key(lab: &Lab, case: &mut Case) -> Outcome {
    let (key, elsewhere) = (lab.pki.key("server"), lab.file("elsewhere"));
    fs::rename(&key, &elsewhere).map_err(|e| e.to_string())?;
    refused_for_tls(&lab.tls(), case, "tls key read failed", &key)?;
    case.cure();
    fs::rename(&elsewhere, &key).map_err(|e| e.to_string())?;
    starts(&lab.tls(), case)
}

pub(super) const MISMATCHED_PAIR: Drill = Drill {
    name: "tls-mismatched-pair",
    fault: "the private key belongs to another certificate",
    expected: "start fails with 2, `tls key read failed`, NotReady(\"tls\"), never Ready",
    cure: "put the certificate's own key in place, start",
    quick: true,
    run: mismatched_pair,
};

fn mismatched_pair(lab: &Lab, case: &mut Case) -> Outcome {
    let other = lab.pki.key("client");
    let wrong = lab.gateway().tls(&lab.pki.cert("server"), &other);
    refused_for_tls(&wrong, case, "tls key read failed", &other)?;
    case.cure();
    starts(&lab.tls(), case)
}

/// A start that fails because of the key names the cause.
///
/// The key's path is not printed.
fn refused_for_tls(start: &Start, case: &mut Case, text: &str, key: &str) -> Outcome {
    case.fault();
    let refusal = start.refused()?;
    let said = refusal.says(2, text)?;
    refusal.not_ready("tls")?;
    let tells = [&refusal.log, &refusal.error].map(|text| text.contains(key));
    ensure(tells == [false; 2], || {
        "the path of the key is printed".into()
    })?;
    case.signal(said);
    Ok(())
}

pub(super) const BIND_IN_USE: Drill = Drill {
    name: "bind-in-use",
    fault: "another process listens on the address",
    expected:
        "start fails with 1, `Address already in use`, NotReady(\"bind_failed\"), never Ready",
    cure: "stop the other, start",
    quick: true,
    run: bind_in_use,
};

fn bind_in_use(lab: &Lab, case: &mut Case) -> Outcome {
    let other = lab.gateway().spawn()?;
    let start = lab.gateway().bind(other.addr);
    case.fault();
    let refusal = start.refused()?;
    let said = refusal.says(1, "Address already in use")?;
    refusal.not_ready("bind_failed")?;
    case.signal(said);
    other.is_ready()?;
    case.cure();
    other.stop()?;
    starts(&start, case)
}

pub(super) const BAD_CONFIG: Drill = Drill {
    name: "bad-config",
    fault: "a configuration file with three errors",
    expected: "start fails with 2 and names all of them, as `check` does; never Ready",
    cure: "correct the file, `check`, start",
    quick: true,
    run: bad_config,
};

fn bad_config(lab: &Lab, case: &mut Case) -> Outcome {
    let bad = "[transport]\nmax_con = 5\nread_timeout = 'soon'\nlimits.max_frame_bytes = '2MiB'\n";
    let start = lab.gateway().config(&lab.write("gateway.toml", bad)?);
    case.fault();
    let refusal = start.refused()?;
    let said = refusal.says(2, "3 errors in the configuration")?;
    let checked = start.command_of(&["check"])?;
    ensure(checked.status.code() == Some(2), || {
        format!("check ended with {}", checked.status)
    })?;
    for text in [&refusal.error, &checked.err] {
        for key in [
            "max_con",
            "max_conns",
            "read_timeout",
            "limits.max_frame_bytes",
        ] {
            ensure(text.contains(key), || format!("no {key} in {text}"))?;
        }
    }
    case.signal(said);
    case.cure();
    lab.write(
        "gateway.toml",
        "[transport]\nmax_conns = 5\nread_timeout = '5s'\n",
    )?;
    let checked = start.command_of(&["check"])?;
    ensure(checked.status.success(), || checked.err.clone())?;
    starts(&start, case)
}

pub(super) const OPEN_DIR: Drill = Drill {
    name: "uds-open-dir",
    fault: "the directory of the Unix socket is accessible to others",
    expected: "start fails with 1 and names the mode; no socket is made, never Ready",
    cure: "chmod 0700 on the directory, start",
    quick: true,
    run: open_dir,
};

fn open_dir(lab: &Lab, case: &mut Case) -> Outcome {
    let dir = lab.file("run");
    fs::create_dir(&dir).map_err(|e| e.to_string())?;
    mode(&dir, 0o755)?;
    let socket = format!("{dir}/gateway.sock");
    let start = lab.gateway().uds(&socket, super::own_uid());
    case.fault();
    let refusal = start.refused()?;
    let said = refusal.says(1, "is open to others (mode 0755)")?;
    ensure(!Path::new(&socket).exists(), || {
        "a socket was created".into()
    })?;
    case.signal(said);
    case.cure();
    mode(&dir, 0o700)?;
    starts(&start, case)
}

/// Checks that the gateway starts and serves now.
fn starts(start: &Start, case: &mut Case) -> Outcome {
    let gateway = start.spawn()?;
    gateway.is_ready()?;
    case.recovered("starts, /readyz 200");
    gateway.stop()?;
    Ok(())
}

fn mode(path: &str, mode: u32) -> Result<(), Stop> {
    let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    set.map_err(|e| Stop::Wrong(format!("chmod {path}: {e}")))
}
