//! `sslyze`: only TLS 1.3, no known weakness, and no failed check.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::gateway::Gateway;
use crate::lab::Lab;
use crate::peers::Peer;
use crate::table::{Observed, Rows, Side};
use ron_lab::process::{run, PATIENCE};

pub(super) const PEER: Peer = Peer {
    name: "sslyze",
    quick: false,
    version,
    run: all,
};

const SCAN: Duration = Duration::from_secs(120);
const OLD: &[&str] = &["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2"];
/// The weaknesses: check, member of the result, required value.
const SOUND: &[(&str, &str, bool)] = &[
    ("tls_compression", "supports_compression", false),
    (
        "openssl_ccs_injection",
        "is_vulnerable_to_ccs_injection",
        false,
    ),
    ("heartbleed", "is_vulnerable_to_heartbleed", false),
    (
        "session_renegotiation",
        "is_vulnerable_to_client_renegotiation_dos",
        false,
    ),
    ("tls_1_3_early_data", "supports_early_data", false),
    ("elliptic_curves", "supports_ecdh_key_exchange", true),
];

fn version(lab: &Lab) -> Result<String, String> {
    let ask = "from sslyze import __version__; print(__version__.__version__)";
    let ended = run(lab.python("sslyze").args(["-c", ask]), PATIENCE)?;
    if ended.status.success() {
        Ok(String::from_utf8_lossy(&ended.out).trim().to_owned())
    } else {
        Err(ended.err.lines().last().unwrap_or_default().to_owned())
    }
}

fn all(lab: &Lab, table: &mut Rows<'_>) {
    let expected = "TLS 1.3 only, no weakness, chain verified";
    for mode in ["off", "hybrid"] {
        let what = format!("all checks, pq.mode {mode}");
        table.row(Side::Server, &what, expected, || scan(lab, mode));
    }
}

fn scan(lab: &Lab, mode: &str) -> Observed {
    let gateway = Gateway::echo(lab, &["--transport.pq.mode", mode])?;
    let report = lab.path("sslyze.json");
    let mut command = lab.python("sslyze");
    command.args([
        "-m",
        "sslyze",
        "--certinfo",
        "--certinfo_ca_file",
        &lab.pki.cert("ca"),
    ]);
    command.args([
        "--sslv2",
        "--sslv3",
        "--tlsv1",
        "--tlsv1_1",
        "--tlsv1_2",
        "--tlsv1_3",
    ]);
    command.args([
        "--compression",
        "--openssl_ccs",
        "--heartbleed",
        "--reneg",
        "--robot",
    ]);
    command.args(["--early_data", "--elliptic_curves", "--fallback", "--resum"]);
    command
        .args(["--mozilla_config", "disable", "--json_out"])
        .arg(&report);
    let ended = run(command.arg(format!("localhost:{}", gateway.port())), SCAN)?;
    let text = fs::read_to_string(&report);
    let text = text.map_err(|e| format!("no report ({e}): {}", ended.err))?;
    let report: Value = serde_json::from_str(&text).map_err(|e| format!("report: {e}"))?;
    gateway.stop()?;
    judge(&report["server_scan_results"][0]["scan_result"])
}

fn judge(checks: &Value) -> Observed {
    let mut wrong = Vec::new();
    for (name, check) in checks.as_object().into_iter().flatten() {
        if check["status"] == "ERROR" {
            wrong.push(format!(
                "{name} could not be made: {}",
                check["error_reason"]
            ));
        }
    }
    let accepted = |version: &str| {
        let suites = &checks[format!("{version}_cipher_suites")]["result"];
        suites["accepted_cipher_suites"].as_array().map(Vec::len)
    };
    for old in OLD.iter().filter(|old| accepted(old) != Some(0)) {
        wrong.push(format!("{old}: {:?} suites accepted", accepted(old)));
    }
    let modern = accepted("tls_1_3");
    if modern != Some(3) {
        wrong.push(format!("tls_1_3: {modern:?} suites accepted"));
    }
    for (check, member, expected) in SOUND {
        let found = &checks[check]["result"][member];
        if found != expected {
            wrong.push(format!("{check}: {member} is {found}"));
        }
    }
    let robot = &checks["robot"]["result"]["robot_result"];
    if !robot
        .as_str()
        .is_some_and(|robot| robot.starts_with("NOT_VULNERABLE"))
    {
        wrong.push(format!("robot: {robot}"));
    }
    let chain = &checks["certificate_info"]["result"]["certificate_deployments"][0];
    if !trusted(&chain["path_validation_results"]) {
        wrong.push("the chain was not verified with the given CA".into());
    }
    if wrong.is_empty() {
        Ok("three suites of TLS 1.3, no weakness, chain verified".into())
    } else {
        Err(wrong.join("; "))
    }
}

/// The given store verifies the chain from the leaf to an authority.
fn trusted(results: &Value) -> bool {
    let results = results.as_array().into_iter().flatten();
    let ours = results.filter(|r| r["trust_store"]["name"] == "Supplied CA file");
    ours.into_iter()
        .any(|r| r["was_validation_successful"] == true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checks() -> Value {
        let mut checks = json!({
            "robot": {"result": {"robot_result": "NOT_VULNERABLE_NO_ORACLE"}},
            "certificate_info": {"result": {"certificate_deployments": [{
                "path_validation_results": [{
                    "trust_store": {"name": "Supplied CA file"},
                    "was_validation_successful": true,
                }],
            }]}},
            "tls_1_3_cipher_suites": {"result": {"accepted_cipher_suites": [1, 2, 3]}},
        });
        for old in OLD {
            checks[format!("{old}_cipher_suites")] =
                json!({"result": {"accepted_cipher_suites": []}});
        }
        for (check, member, expected) in SOUND {
            checks[check] = json!({"result": {*member: expected}});
        }
        checks
    }

    #[test]
    fn old_version_weakness_or_failed_check_is_wrong() {
        assert!(judge(&checks()).is_ok());
        assert!(judge(&Value::Null).is_err());
        let mut wrong = checks();
        wrong["tls_1_2_cipher_suites"]["result"]["accepted_cipher_suites"] = json!([1]);
        wrong["heartbleed"]["result"]["is_vulnerable_to_heartbleed"] = true.into();
        wrong["session_resumption"] = json!({"status": "ERROR", "error_reason": "BUG"});
        let said = judge(&wrong).unwrap_err();
        assert_eq!(said.matches("; ").count(), 2, "{said}");
    }
}
