//! A Unix socket, and a user without permission.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{own_uid, Drill};
use crate::case::{ensure, Case, Outcome, Stop};
use ron_lab::Lab;

/// An unused uid.
const OTHER: &str = "1001";

pub(super) const WRONG_UID: Drill = Drill {
    name: "uds-wrong-uid",
    fault: "a client whose uid is not in uds.allow_uids",
    expected: "rejected_total{reason=\"uid_denied\"}, log `uds peer not permitted` with peer=uid:1001, no byte served",
    cure: "add the uid to uds.allow_uids, reload",
    quick: true,
    run: wrong_uid,
};

fn wrong_uid(lab: &Lab, case: &mut Case) -> Outcome {
    if own_uid() != 0 {
        return Err(Stop::Skip("only root can become another user".into()));
    }
    let (dir, file) = (lab.file("run"), "gateway.toml");
    fs::create_dir(&dir).map_err(|e| e.to_string())?;
    mode(&dir, 0o700)?;
    let socket = format!("{dir}/gateway.sock");
    let uids = |uids: &str| {
        let text = format!(
            "[transport]\nbackend = 'uds'\nuds.path = '{socket}'\nuds.allow_uids = [{uids}]\n"
        );
        lab.write(file, &text)
    };
    let gateway = lab.gateway().unbound().config(&uids("0")?).spawn()?;
    // The file modes keep other users out before the gateway sees them, so this client has a
    // capability. Its program must lie where it has access.
    let place = tempfile::tempdir().map_err(|e| e.to_string())?;
    mode(&place.path().to_string_lossy(), 0o755)?;
    let other = lab.gateway().copied_to(place.path())?;
    let capability = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"];
    let user = [["setpriv", "--clear-groups"], capability].concat();
    let user = [&user[..], &["--reuid", OTHER]].concat();
    let other = other.unbound().before(&user);
    let target = format!("unix://{socket}");
    case.fault();
    other.command_of(&["dial", &target])?;
    gateway.until("the reject", |now| now.rejected("uid_denied") >= 1.0)?;
    let why = gateway.logs("reject", |event| {
        event["reason"] == "uid_denied" && event["peer"] == format!("uid:{OTHER}")
    })?;
    let error = why["error"].as_str().unwrap_or_default();
    ensure(error.contains("uds peer not permitted"), || why.to_string())?;
    case.signal(format!("uid_denied 1, \"{error}\", peer=uid:{OTHER}"));
    let bytes = gateway.scrape()?.sum("bytes_in_total");
    ensure(bytes < 0.5, || format!("{bytes} bytes were read"))?;
    gateway.is_ready()?;
    case.cure();
    uids(&format!("0, {OTHER}"))?;
    gateway.reload("ok")?;
    let dialed = other.command_of(&["dial", &target])?;
    ensure(dialed.status.success(), || dialed.err.clone())?;
    gateway.until("the close", |now| now.sum("transport_closes_total") >= 1.0)?;
    let denied = gateway.scrape()?.rejected("uid_denied");
    ensure(denied < 1.5, || format!("{denied} denied"))?;
    case.recovered("the same client connects");
    gateway.stop()?;
    Ok(())
}

fn mode(path: &str, mode: u32) -> Result<(), String> {
    let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    set.map_err(|e| format!("chmod {path}: {e}"))
}
