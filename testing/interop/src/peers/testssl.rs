//! `testssl.sh`: only TLS 1.3, and no finding of MEDIUM or above.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::gateway::Gateway;
use crate::lab::Lab;
use crate::peers::Peer;
use crate::table::{Observed, Rows, Side};
use ron_lab::process::{run, PATIENCE};

pub(super) const PEER: Peer = Peer {
    name: "testssl",
    quick: false,
    version,
    run: all,
};

/// About two minutes on an idle machine.
const SCAN: Duration = Duration::from_secs(600);
/// The finding about the test's own authority.
const OF_A_TEST_CA: &str = "cert_chain_of_trust";
const SEVERE: &[&str] = &["MEDIUM", "HIGH", "CRITICAL", "FATAL"];

/// Debian calls it `testssl`, the project `testssl.sh`.
fn program() -> &'static str {
    let is_there = run(Command::new("testssl").arg("--help"), PATIENCE).is_ok();
    if is_there {
        "testssl"
    } else {
        "testssl.sh"
    }
}

/// Parses the banner: "testssl 3.0.8 from https://…".
fn version(_: &Lab) -> Result<String, String> {
    let ended = run(Command::new(program()).arg("--version"), PATIENCE)?;
    let out = String::from_utf8_lossy(&ended.out);
    let words: Vec<_> = out.split_whitespace().collect();
    let is_version = |three: &&[&str]| three[0].starts_with("testssl") && three[2] == "from";
    let found = words.windows(3).find(is_version);
    let version = found.map(|three| three[1].to_owned());
    version.ok_or_else(|| format!("no version in {out}{}", ended.err))
}

fn all(lab: &Lab, table: &mut Rows<'_>) {
    let expected = "TLS 1.3 only, nothing at MEDIUM or above";
    for mode in ["off", "hybrid"] {
        let what = format!("all checks, pq.mode {mode}");
        table.row(Side::Server, &what, expected, || scan(lab, mode));
    }
}

fn scan(lab: &Lab, mode: &str) -> Observed {
    let gateway = Gateway::echo(lab, &["--transport.pq.mode", mode])?;
    let report = lab.path(&format!("testssl-{mode}.json"));
    let mut command = Command::new(program());
    command.args([
        "--quiet",
        "--color",
        "0",
        "--warnings",
        "off",
        "--ip",
        "127.0.0.1",
    ]);
    command.args([
        "--openssl-timeout",
        "5",
        "--connect-timeout",
        "5",
        "--jsonfile",
    ]);
    command
        .arg(&report)
        .arg(format!("localhost:{}", gateway.port()));
    let ended = run(&mut command, SCAN)?;
    let text = fs::read_to_string(&report);
    let text = text.map_err(|e| format!("no report ({e}): {}", ended.err))?;
    let findings: Vec<Value> = serde_json::from_str(&text).map_err(|e| format!("report: {e}"))?;
    gateway.stop()?;
    judge(&findings)
}

fn judge(findings: &[Value]) -> Observed {
    let of = |name: &str| {
        let found = findings.iter().find(|f| f["id"] == name);
        found
            .and_then(|f| f["finding"].as_str())
            .unwrap_or("no finding")
    };
    let mut wrong = Vec::new();
    for old in ["SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2"] {
        if of(old) != "not offered" {
            wrong.push(format!("{old}: {}", of(old)));
        }
    }
    if !of("TLS1_3").starts_with("offered") {
        wrong.push(format!("TLS1_3: {}", of("TLS1_3")));
    }
    let is_severe = |f: &&Value| SEVERE.iter().any(|severe| f["severity"] == *severe);
    let ours = |f: &&Value| f["id"] != OF_A_TEST_CA;
    let severe = findings.iter().filter(is_severe).filter(ours);
    wrong.extend(severe.map(|f| format!("{} {}: {}", f["severity"], f["id"], f["finding"])));
    if wrong.is_empty() {
        Ok(format!(
            "{} findings, TLS 1.3 only, none severe",
            findings.len()
        ))
    } else {
        Err(wrong.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn findings(more: &[Value]) -> Vec<Value> {
        let finding =
            |id: &str, finding: &str| json!({"id": id, "severity": "OK", "finding": finding});
        let old = ["SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2"];
        let mut all: Vec<_> = old.map(|old| finding(old, "not offered")).into();
        all.push(finding("TLS1_3", "offered with final"));
        all.extend_from_slice(more);
        all
    }

    #[test]
    fn old_version_severe_or_no_finding_fails() {
        assert!(judge(&findings(&[])).is_ok());
        let low = json!({"id": "a", "severity": "LOW", "finding": "b"});
        let test_ca = json!({"id": OF_A_TEST_CA, "severity": "CRITICAL", "finding": "b"});
        assert!(judge(&findings(&[low, test_ca])).is_ok());
        let medium = json!({"id": "a", "severity": "MEDIUM", "finding": "b"});
        assert!(judge(&findings(&[medium])).unwrap_err().contains("MEDIUM"));
        assert!(judge(&[]).unwrap_err().contains("TLS1_3: no finding"));
        let mut old = findings(&[]);
        old[4]["finding"] = "offered".into();
        assert_eq!(judge(&old).unwrap_err(), "TLS1_2: offered");
    }
}
