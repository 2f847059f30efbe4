//! The report of the matrix: a page and its figures as JSON.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{json, Map, Value};

use super::cell::Cell;
use super::comparison;
use super::options::Options;
use crate::stats::median;

/// The measured costs of a cell: one value per subject and round.
pub(crate) struct CellResult {
    pub(crate) cell: &'static Cell,
    pub(crate) names: Vec<&'static str>,
    pub(crate) rounds: Vec<Vec<f64>>,
}

impl CellResult {
    fn medians(&self) -> Vec<f64> {
        self.rounds.iter().map(|rounds| median(rounds)).collect()
    }

    /// Returns the ratio to the better of the other two proxies.
    fn ratio(&self) -> f64 {
        let medians = self.medians();
        medians[0] / medians[1].min(medians[2])
    }

    fn as_json(&self) -> Value {
        let subjects = self.names.iter().zip(&self.rounds);
        let subjects: Map<_, _> = subjects
            .map(|(name, rounds)| {
                let value = json!({ "median": median(rounds), "rounds": rounds });
                ((*name).to_owned(), value)
            })
            .collect();
        json!({ "cell": self.cell.name, "subjects": subjects, "ratio_to_best": self.ratio(), "target": self.cell.target })
    }
}

/// Writes `PERFORMANCE.md` and `performance.json` into a folder.
///
/// Cells of an earlier run stay, if this run did not measure them.
/// So do comparisons.
pub(crate) fn write(dir: &Path, options: &Options, results: &[CellResult], compared: &[Value]) {
    let file = dir.join("performance.json");
    let earlier = fs::read_to_string(&file).unwrap_or_default();
    let earlier: Value = serde_json::from_str(&earlier).unwrap_or_default();
    let mut cells = Vec::new();
    for cell in super::CELLS {
        let now = results.iter().find(|result| result.cell.name == cell.name);
        let before = earlier["cells"].as_array().into_iter().flatten();
        let before = before
            .into_iter()
            .find(|value| value["cell"] == cell.name)
            .cloned();
        cells.extend(now.map(CellResult::as_json).or(before));
    }
    let mut comparisons: Vec<Value> = compared.to_vec();
    let before = earlier["comparisons"].as_array().into_iter().flatten();
    let is_new = |old: &&Value| !compared.iter().any(|new| comparison::is_same(new, old));
    comparisons.extend(before.filter(is_new).cloned());
    comparisons.sort_by_key(comparison::order);
    let machine = machine();
    // A run of comparisons alone does not date the cells.
    let of_cells = |key: &str, now: Value| match &earlier[key] {
        before if results.is_empty() && !before.is_null() => before.clone(),
        _ => now,
    };
    let all = json!({
        "date": of_cells("date", said("date", &["-u", "+%F"]).into()),
        "machine": machine,
        "versions": versions(),
        "rounds": of_cells("rounds", options.rounds.into()),
        "cells": cells,
        "comparisons": comparisons,
    });
    let text = serde_json::to_string_pretty(&all).unwrap();
    fs::write(file, text + "\n").unwrap();
    fs::write(dir.join("PERFORMANCE.md"), page(&all)).unwrap();
}

fn page(all: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut page = String::from("# Performance\n\n");
    page +=
        "For operators who compare proxies: the cost of the gateway, nginx, HAProxy and a relay \
             without limits.\nWritten by `cargo xtask bench matrix`.\n\n";
    let _ = writeln!(
        page,
        "Measured on {} on {}. Versions: {}. One worker each, {} interleaved rounds, median. CPU time is \
         that of the\nproxy's processes; ratios are to the better of nginx and HAProxy. Limits at their defaults.\n",
        text(&all["date"]),
        text(&all["machine"]),
        text(&all["versions"]),
        all["rounds"],
    );
    page += "| cell | gateway | nginx | HAProxy | bare relay | ratio | target |\n\
             |---|---|---|---|---|---|---|\n";
    for cell in all["cells"].as_array().into_iter().flatten() {
        let found = super::CELLS.iter().find(|known| cell["cell"] == known.name);
        let Some(known) = found else { continue };
        let figure = |name: &str| {
            let median = &cell["subjects"][name]["median"];
            median.as_f64().map_or("–".to_owned(), |median| {
                let digits = usize::from(median < 100.0) + usize::from(median < 10.0);
                format!("{median:.digits$}")
            })
        };
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {:.2} | {:.2} |",
            known.title,
            figure("gateway"),
            figure("nginx"),
            figure("HAProxy"),
            figure("bare relay"),
            cell["ratio_to_best"].as_f64().unwrap_or_default(),
            known.target,
        );
    }
    page += "\nA bulk cell sends bytes through one connection and reads their echo at the same time. A \
             connect cell opens a\nconnection, exchanges 64 B and closes it, eight at once. An idle cell \
             is the slope of resident memory between\n500 and 2,500 pairs in a new process. \
             [The notes](../PERFORMANCE-NOTES.md) show where the time of a\nconnection goes, and the cost of \
             a log line.\n";
    page + &comparison::section(all["comparisons"].as_array())
}

fn versions() -> String {
    let nginx = said("nginx", &["-v"]);
    let nginx = nginx.rsplit('/').next().unwrap_or_default();
    let haproxy = said("haproxy", &["-v"]);
    let haproxy = haproxy.split_whitespace().nth(2).unwrap_or_default();
    format!("nginx {nginx}, HAProxy {haproxy}")
}

/// Returns the cores and the kernel of this machine.
pub(crate) fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model
        .unwrap_or_default()
        .trim_start_matches(['\t', ' ', ':']);
    // This process may use one core only.
    let cores = cpus
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    format!("{cores} cores of {model}, Linux {}", said("uname", &["-r"]))
}

/// Returns the first line that a program prints.
pub(crate) fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}
