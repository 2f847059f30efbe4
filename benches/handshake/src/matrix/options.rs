//! The options of the matrix.

use std::path::PathBuf;

/// The options of the matrix.
#[derive(Debug)]
pub(crate) struct Options {
    /// Parts of the names of the cells to measure; empty for all.
    cells: Vec<String>,
    pub(crate) rounds: usize,
    /// Whether the gateway has every limit on.
    pub(crate) limits: bool,
    /// Whether each proxy logs its connections.
    ///
    /// The gateway samples above 100 closes in a second.
    pub(crate) logs: bool,
    /// The gateway to measure; by default the one beside this program.
    pub(crate) gateway: Option<PathBuf>,
    /// An earlier gateway, as a subject of its own.
    pub(crate) also: Option<PathBuf>,
    /// The folder of the report.
    pub(crate) out: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments.
    ///
    /// An unknown one ends the process with the usage.
    pub(crate) fn parse(args: &[&str]) -> Self {
        let mut options = Self {
            cells: Vec::new(),
            rounds: 5,
            limits: false,
            logs: false,
            gateway: None,
            also: None,
            out: None,
        };
        for pair in args.chunks(2) {
            match pair {
                ["--cell", name] => options.cells.push((*name).to_owned()),
                ["--rounds", text] => options.rounds = text.parse().unwrap(),
                ["--limits", text] => options.limits = *text == "on",
                ["--log", text] => options.logs = *text == "on",
                ["--gateway", path] => options.gateway = Some(path.into()),
                ["--also", path] => options.also = Some(path.into()),
                ["--out", path] => options.out = Some(path.into()),
                other => {
                    eprintln!(
                        "unknown option {other:?}: use --cell NAME, --rounds N, --limits on|off, \
                         --log on|off, --gateway PATH, --also PATH, --out FOLDER"
                    );
                    std::process::exit(2);
                }
            }
        }
        options
    }

    /// Returns whether a cell is selected.
    pub(crate) fn wants(&self, cell: &str) -> bool {
        self.cells.is_empty() || self.cells.iter().any(|part| cell.contains(&**part))
    }

    pub(crate) const fn log_level(&self) -> &'static str {
        if self.logs {
            "info"
        } else {
            "warn"
        }
    }
}
