//! `docs-gen`: generates tables in `docs/`, manual pages and completions from the code.
//!
//! The facade's example `schema` prints each table, because xtask links none of the crates and so
//! compiles in seconds. The gateway prints its manual pages and completions. A table is between `<!-- generated: NAME -->` and `<!-- /generated -->`; the text
//! around it is written by hand.

use crate::cmd::{capture, read, run as run_command, write, Cx, Outcome};

const CLOSE: &str = "<!-- /generated -->";

/// Generated tables: the page, and the table's name in the example.
const TABLES: &[(&str, &str)] = &[
    ("docs/CONFIG.md", "config"),
    ("docs/CONFIG.md", "presets"),
    ("docs/OBSERVABILITY.md", "metrics"),
];

/// Files that an example prints completely: file, crate, example.
const FILES: &[(&str, &str, &str)] = &[("docs/ops/grafana.json", "transport-metrics", "dashboard")];

/// Files that the gateway's `generate` prints: file, and the argument.
const GENERATED: &[(&str, &str)] = &[
    ("deploy/man/ron-gateway.1", "man"),
    ("deploy/man/ron-gateway.toml.5", "man-toml"),
    ("deploy/completions/ron-gateway.bash", "bash"),
    ("deploy/completions/_ron-gateway", "zsh"),
    ("deploy/completions/ron-gateway.fish", "fish"),
];

/// The alerts, and their custom resource for the Prometheus operator.
const ALERTS: &str = "docs/ops/alerts.yml";
const RULE: &str = "deploy/kubernetes/monitoring/prometheusrule.yaml";

/// Rewrites the pages; with `--check` reports stale pages as an error.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => {
            return Err(format!(
                "unknown arguments {args:?}: only --check is allowed"
            ))
        }
    };
    let mut stale = Vec::new();
    for &(page, name) in TABLES {
        let path = cx.root.join(page);
        let before = read(&path)?;
        let table = capture(&mut cx.cargo([
            "run",
            "-q",
            "-p",
            "ron-transport",
            "--all-features",
            "--example",
            "schema",
            "--",
            name,
        ]))?;
        let after = replace(&before, name, &table).map_err(|why| format!("{page}: {why}"))?;
        match first_difference(&before, &after) {
            None => eprintln!("{page}: `{name}` is up to date"),
            Some(line) if check => stale.push(format!("{page}:{line}")),
            Some(line) => {
                write(&path, &after)?;
                eprintln!("{page}: `{name}` rewritten from line {line}");
            }
        }
    }
    let mut files = Vec::new();
    for &(file, krate, example) in FILES {
        let text = capture(&mut cx.cargo(["run", "-q", "-p", krate, "--example", example]))?;
        files.push((file, text));
    }
    files.push((RULE, prometheus_rule(&read(&cx.root.join(ALERTS))?)?));
    // The features and the build of the step `test`.
    let build = ["build", "-q", "--workspace", "--all-features", "--bin"];
    run_command(cx.cargo(build).arg("ron-gateway"))?;
    for &(file, what) in GENERATED {
        let generate = ["generate", what];
        files.push((
            file,
            capture(&mut cx.program(cx.built("ron-gateway"), generate))?,
        ));
    }
    for (file, after) in files {
        let path = cx.root.join(file);
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        match first_difference(&before, &after) {
            None => eprintln!("{file} is up to date"),
            Some(line) if check => stale.push(format!("{file}:{line}")),
            Some(line) => {
                write(&path, &after)?;
                eprintln!("{file} rewritten from line {line}");
            }
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!(
        "generated text differs from the code at {}: run `cargo xtask docs-gen`",
        stale.join(", ")
    ))
}

/// Returns the rules as a `PrometheusRule`.
///
/// Its `spec` has the format of the file.
fn prometheus_rule(alerts: &str) -> Result<String, String> {
    let groups = alerts.split_once("\ngroups:\n").ok_or("no groups")?.1;
    let mut out = String::from(
        "# Generated from docs/ops/alerts.yml by `cargo xtask docs-gen`.\n\
         apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  \
         name: ron-gateway\n  labels:\n    app.kubernetes.io/name: ron-gateway\n\
         spec:\n  groups:\n",
    );
    for line in groups.lines() {
        let indent = if line.is_empty() { "" } else { "  " };
        out += &format!("{indent}{line}\n");
    }
    Ok(out)
}

/// Replaces the text between the markers of table `name`.
fn replace(page: &str, name: &str, table: &str) -> Result<String, String> {
    let open = format!("<!-- generated: {name} -->");
    let (before, rest) = page
        .split_once(&open)
        .ok_or_else(|| format!("the marker `{open}` is missing"))?;
    if rest.contains(&open) {
        return Err(format!("the marker `{open}` occurs twice"));
    }
    let (old, after) = rest
        .split_once(CLOSE)
        .ok_or_else(|| format!("no `{CLOSE}` follows `{open}`"))?;
    if old.contains("<!-- generated:") {
        return Err(format!("another table starts before the end of `{name}`"));
    }
    let table = table.trim();
    if table.is_empty() {
        return Err(format!("the example printed nothing for `{name}`"));
    }
    Ok(format!("{before}{open}\n\n{table}\n\n{CLOSE}{after}"))
}

/// The first line, counted from 1, that differs between two texts.
fn first_difference(left: &str, right: &str) -> Option<usize> {
    if left == right {
        return None;
    }
    let same = left
        .lines()
        .zip(right.lines())
        .take_while(|(a, b)| a == b)
        .count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Page\n<!-- generated: config -->\nold\n<!-- /generated -->\nend\n";

    #[test]
    fn table_replaces_text_between_markers_only() {
        let page = replace(PAGE, "config", "| a |\n").unwrap();
        assert!(page.starts_with("# Page\n<!-- generated: config -->\n\n| a |\n\n"));
        assert!(page.ends_with("<!-- /generated -->\nend\n") && !page.contains("old"));
        assert_eq!(
            replace(&page, "config", "| a |").unwrap(),
            page,
            "a second run changes nothing"
        );
    }

    #[test]
    fn incomplete_page_or_table_is_error() {
        assert!(replace(PAGE, "metrics", "x")
            .unwrap_err()
            .contains("missing"));
        assert!(replace(PAGE, "config", " \n")
            .unwrap_err()
            .contains("nothing"));
        assert!(replace("<!-- generated: a -->", "a", "x")
            .unwrap_err()
            .contains("follows"));
        let twice = format!("{PAGE}{PAGE}");
        assert!(replace(&twice, "config", "x")
            .unwrap_err()
            .contains("twice"));
        let open = "<!-- generated: a -->\n<!-- generated: b -->\n<!-- /generated -->";
        assert!(replace(open, "a", "x").unwrap_err().contains("another"));
    }

    #[test]
    fn rule_has_the_groups_indented() {
        let rule = prometheus_rule("# a\n\ngroups:\n  - name: x\n\n    rules: []\n").unwrap();
        let end = "spec:\n  groups:\n    - name: x\n\n      rules: []\n";
        assert!(rule.ends_with(end), "{rule}");
        assert!(prometheus_rule("rules:\n").is_err());
        let root = Cx::new().unwrap().root;
        let alerts = prometheus_rule(&read(&root.join(ALERTS)).unwrap()).unwrap();
        assert_eq!(alerts, read(&root.join(RULE)).unwrap());
    }

    #[test]
    fn difference_is_reported_by_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
    }
}
