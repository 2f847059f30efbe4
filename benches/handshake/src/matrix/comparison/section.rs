//! The comparisons in the report.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Comparison, CELLS, GROWTH, WITH_LIMITS};

/// Returns whether two results are of the same comparison.
pub(in crate::matrix) fn is_same(a: &Value, b: &Value) -> bool {
    let key = |value: &Value| (value["title"].clone(), value["subjects"][1]["name"].clone());
    key(a) == key(b)
}

/// Returns the place of a result in the report.
pub(in crate::matrix) fn order(result: &Value) -> usize {
    let same = |comparison: &&Comparison| {
        let cell = CELLS.iter().find(|cell| cell.name == comparison.cell);
        cell.is_some_and(|cell| result["title"] == cell.title)
            && result["subjects"][1]["name"] == comparison.setups[1].name()
    };
    let all = || WITH_LIMITS.iter().chain(GROWTH);
    all()
        .position(|comparison| same(&comparison))
        .unwrap_or(usize::MAX)
}

/// Returns the section of the report; empty without results.
pub(in crate::matrix) fn section(results: Option<&Vec<Value>>) -> String {
    let Some(results) = results.filter(|results| !results.is_empty()) else {
        return String::new();
    };
    let mut text = String::from(
        "\n## The gateway against itself\n\n\
         Interleaved rounds of one run; a ratio is the median over the rounds. \"Limits on\" has byte and accept\n\
         rates, caps of a peer, deadlines, the memory budget and the metrics endpoint, none of them reached. Other\n\
         open connections are idle. Both workers share one core.\n\n\
         | load | base | | compared | | ratio | allowed |\n|---|---|---|---|---|---|---|\n",
    );
    for result in results {
        let subjects = result["subjects"].as_array().into_iter().flatten();
        let figure = |subject: &Value| {
            let median = subject["median"].as_f64().unwrap_or_default();
            let digits = usize::from(median < 100.0) + usize::from(median < 10.0);
            let name = subject["name"].as_str().unwrap_or_default();
            format!("{name} | {median:.digits$}")
        };
        for subject in subjects.skip(1) {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.2} | {:.2} |",
                result["title"].as_str().unwrap_or_default(),
                figure(&result["subjects"][0]),
                figure(subject),
                subject["ratio"].as_f64().unwrap_or_default(),
                result["allowed"].as_f64().unwrap_or_default(),
            );
        }
    }
    text
}
