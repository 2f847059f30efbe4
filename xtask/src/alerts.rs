//! `alerts`: checks `docs/ops/alerts.yml` with Prometheus' `promtool`.
//!
//! Every alert must have a test in which it fires, one in which it does not, and a heading in the
//! runbook. The expressions of `docs/ops/grafana.json` must be valid. With `--live` a real Prometheus
//! scrapes the built gateway under two faults; `testing/ops` drives both.

use std::path::Path;

use serde_json::Value;

use crate::apt;
use crate::cmd::{read, run as run_command, write, Cx, Outcome};

const RULES: &str = "docs/ops/alerts.yml";
const TESTS: &str = "docs/ops/alerts_test.yml";
const DASHBOARD: &str = "docs/ops/grafana.json";

/// Tests the rules, with `--live` under a real Prometheus too.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let live = match args {
        [] => false,
        [flag] if flag == "--live" => true,
        _ => {
            return Err(format!(
                "unknown arguments {args:?}: only --live is allowed"
            ))
        }
    };
    let programs = apt::prometheus(cx)?;
    let (rules, tests) = (read(&cx.root.join(RULES))?, read(&cx.root.join(TESTS))?);
    let promtool = programs.join("promtool");
    run_command(&mut cx.program(&promtool, ["check", "rules", RULES]))?;
    run_command(&mut cx.program(&promtool, ["test", "rules", TESTS]))?;
    check_dashboard(cx, &promtool)?;
    let mut wrong = untested(&rules, &tests);
    for place in values(&rules, "runbook:") {
        let (page, heading) = place.split_once('#').unwrap_or((place, ""));
        let has = |text: &str| anchors(text).any(|anchor| anchor == heading);
        if !has(&read(&cx.root.join(page))?) {
            wrong.push(format!("{place} does not exist"));
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    eprintln!("alerts: {} rules pass", values(&rules, "- alert:").len());
    if live {
        return run_live(cx, &programs);
    }
    Ok(())
}

fn run_live(cx: &Cx, programs: &Path) -> Outcome {
    run_command(&mut cx.cargo(["build", "-q", "-p", "ron-gateway"]))?;
    let mut harness = cx.cargo(["run", "-q", "-p", "ron-ops", "--", "alerts"]);
    harness.arg(cx.built("ron-gateway"));
    harness.arg(programs.join("prometheus"));
    run_command(harness.args([RULES, DASHBOARD].map(|file| cx.root.join(file))))
}

/// Checks the dashboard's expressions as rules, because promtool reads only rules.
fn check_dashboard(cx: &Cx, promtool: &Path) -> Outcome {
    let text = read(&cx.root.join(DASHBOARD))?;
    let json: Value = serde_json::from_str(&text).map_err(|e| format!("{DASHBOARD}: {e}"))?;
    let exprs = exprs(&json);
    if exprs.is_empty() {
        return Err(format!("{DASHBOARD} has no expression"));
    }
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (at, expr) in exprs.iter().enumerate() {
        // A JSON string is a valid YAML string.
        let expr = Value::from(expr.replace("$__rate_interval", "5m"));
        rules += &format!("      - record: dashboard:{at}\n        expr: {expr}\n");
    }
    let path = cx.scratch("alerts").join("dashboard.yml");
    write(&path, &rules)?;
    run_command(cx.program(promtool, ["check", "rules"]).arg(path))
}

/// Every `expr` member, at any depth.
fn exprs(json: &Value) -> Vec<String> {
    match json {
        Value::Array(items) => items.iter().flat_map(exprs).collect(),
        Value::Object(members) => {
            let own = members
                .get("expr")
                .and_then(Value::as_str)
                .map(str::to_owned);
            own.into_iter()
                .chain(members.values().flat_map(exprs))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Alerts without a test of both kinds, firing and silent.
fn untested(rules: &str, tests: &str) -> Vec<String> {
    let cases: Vec<&str> = tests.split("alertname:").skip(1).collect();
    let mut wrong = Vec::new();
    for alert in values(rules, "- alert:") {
        let of_it = |case: &&str| {
            let name = case.trim_start().split([',', '\n']).next();
            name.is_some_and(|name| name.trim() == alert)
        };
        let fires = |case: &&str| {
            // A case without labels in its own list expects no alert.
            let expected = case.split("exp_alerts:").nth(1).unwrap_or_default();
            expected.trim_start().starts_with("- exp_labels:")
        };
        let (firing, silent): (Vec<&str>, _) = cases.iter().copied().filter(of_it).partition(fires);
        if firing.is_empty() {
            wrong.push(format!("{alert} has no test in which it fires"));
        }
        if silent.is_empty() {
            wrong.push(format!("{alert} has no test in which it is silent"));
        }
    }
    wrong
}

/// The value of a key on every line that starts with it.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(key));
    lines.map(|value| value.trim().trim_matches('"')).collect()
}

/// The anchors of a page's headings, in GitHub's form.
///
/// Lower case, spaces as `-`, other signs removed.
fn anchors(page: &str) -> impl Iterator<Item = String> + '_ {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        heading
            .chars()
            .filter(kept)
            .collect::<String>()
            .replace(' ', "-")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str =
        "  - alert: A\n  - alert: Ab\n    annotations:\n      runbook: \"x.md#y\"\n";
    const FIRES: &str = "alertname: A\n  exp_alerts:\n    - exp_labels: { a: b }\n";
    const SILENT: &str = "{ eval_time: 4m, alertname: A, exp_alerts: [] }\n";

    #[test]
    fn alert_without_either_test_is_found() {
        let of_ab = |text: &str| text.replace("name: A", "name: Ab");
        let all = [FIRES, SILENT, &of_ab(FIRES), &of_ab(SILENT)].concat();
        assert_eq!(untested(RULES, &all), Vec::<String>::new());
        let all = [FIRES, &of_ab(SILENT)].concat();
        let expected = [
            "A has no test in which it is silent",
            "Ab has no test in which it fires",
        ];
        assert_eq!(untested(RULES, &all), expected);
    }

    #[test]
    fn expressions_are_found_at_any_depth() {
        let json = serde_json::json!({"panels": [{"targets": [{"expr": "a"}, {"expr": "b"}]},
            {"expr": "c", "title": "expr"}]});
        assert_eq!(exprs(&json), ["a", "b", "c"]);
    }

    #[test]
    fn values_and_anchors_are_read() {
        assert_eq!(values(RULES, "- alert:"), ["A", "Ab"]);
        assert_eq!(values(RULES, "runbook:"), ["x.md#y"]);
        let page = "# Unix sockets: two symptoms\ntext # none\n### TLS, `x_y`\n";
        let found: Vec<_> = anchors(page).collect();
        assert_eq!(found, ["unix-sockets-two-symptoms", "tls-x_y"]);
    }
}
