//! The report: a page, and its tables as JSON.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::{json, Value};

use crate::matrix::report::{machine, said};

/// All tables, in the order of the page, with headings.
const ORDER: [(&str, Option<&str>); 7] = [
    ("connections", Some("One gateway")),
    ("handshakes", None),
    ("memory", None),
    ("ceiling", None),
    ("shares", Some("Three replicas behind a balancer")),
    ("peer-limits", None),
    ("tickets", None),
];

/// A table of the page.
pub(crate) struct Table {
    name: String,
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(name: &str, title: &str, columns: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Formats the table as Markdown, which is readable on a terminal too.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n\n| {} |\n", self.title, self.columns.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(self.columns.len()));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }

    fn as_json(&self, date: &str) -> Value {
        json!({
            "name": self.name,
            "date": date,
            "title": self.title,
            "columns": self.columns,
            "rows": self.rows,
        })
    }

    fn of_json(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
        Self {
            name: text(&value["name"]),
            title: text(&value["title"]),
            columns: list(&value["columns"]),
            rows: value["rows"]
                .as_array()
                .into_iter()
                .flatten()
                .map(list)
                .collect(),
        }
    }
}

/// Reads the tables of another program.
pub(crate) fn read(file: &Path) -> Vec<Table> {
    let tables: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    tables
        .as_array()
        .unwrap()
        .iter()
        .map(Table::of_json)
        .collect()
}

/// Writes `SCALING.md` and `scaling.json` into a folder.
///
/// Tables of an earlier run stay, if this run did not measure them.
pub(crate) fn write(dir: &Path, tables: &[Table]) {
    let file = dir.join("scaling.json");
    let earlier = fs::read_to_string(&file).unwrap_or_default();
    let earlier: Value = serde_json::from_str(&earlier).unwrap_or_default();
    let date = said("date", &["-u", "+%F"]);
    let mut all = Vec::new();
    for (name, _) in ORDER {
        let now = tables.iter().find(|table| table.name == name);
        let before = earlier["tables"].as_array().into_iter().flatten();
        let before = before.into_iter().find(|table| table["name"] == name);
        all.extend(now.map(|table| table.as_json(&date)).or(before.cloned()));
    }
    let all = json!({ "machine": machine(), "tables": all });
    let text = serde_json::to_string_pretty(&all).unwrap();
    fs::write(file, text + "\n").unwrap();
    fs::write(dir.join("SCALING.md"), page(&all)).unwrap();
}

fn page(all: &Value) -> String {
    let mut page = format!(
        "# Measured curves\n\n\
         For operators who size a gateway: its cost by connections, workers and replicas. Written by\n\
         `cargo xtask bench scale`; [SCALING.md](../SCALING.md) explains what to do with the figures.\n\n\
         Measured on {}. One worker unless the table says otherwise; clients and upstream\n\
         run on the same machine. CPU time is that of the gateway's process.\n",
        all["machine"].as_str().unwrap_or_default(),
    );
    for (name, heading) in ORDER {
        let found = all["tables"].as_array().into_iter().flatten();
        let Some(found) = found.into_iter().find(|table| table["name"] == name) else {
            continue;
        };
        if let Some(heading) = heading {
            let _ = write!(page, "\n## {heading}\n");
        }
        let date = found["date"].as_str().unwrap_or_default();
        let table = Table::of_json(found);
        let _ = write!(page, "\n### {name}, {date}\n\n{}", table.text());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_page_equals_its_figures() {
        let figures = include_str!("../../../../docs/reports/scaling.json");
        let figures: Value = serde_json::from_str(figures).unwrap();
        let stored = include_str!("../../../../docs/reports/SCALING.md");
        assert_eq!(page(&figures), stored);
        for (name, _) in ORDER {
            assert!(stored.contains(&format!("\n### {name}, ")), "{name}");
        }
    }
}
