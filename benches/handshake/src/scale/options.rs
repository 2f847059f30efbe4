//! The options of the curves.

use std::path::PathBuf;

/// The options of the curves.
#[derive(Debug)]
pub(crate) struct Options {
    /// The parts to measure; empty for all.
    parts: Vec<String>,
    /// The measured gateway; by default the one beside this program.
    pub(crate) gateway: PathBuf,
    /// Tables about replicas, as JSON.
    pub(crate) replicas: Option<PathBuf>,
    /// The folder of the report.
    pub(crate) out: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments.
    ///
    /// An unknown one ends the process with the usage.
    pub(crate) fn parse(args: &[&str]) -> Self {
        let here = std::env::current_exe().unwrap();
        let mut options = Self {
            parts: Vec::new(),
            gateway: here.with_file_name("ron-gateway"),
            replicas: None,
            out: None,
        };
        for pair in args.chunks(2) {
            match pair {
                ["--part", name] => options.parts.push((*name).to_owned()),
                ["--gateway", path] => options.gateway = path.into(),
                ["--replicas", path] => options.replicas = Some(path.into()),
                ["--out", path] => options.out = Some(path.into()),
                other => {
                    eprintln!(
                        "unknown option {other:?}: use --part NAME, --gateway PATH, --replicas FILE, \
                         --out FOLDER"
                    );
                    std::process::exit(2);
                }
            }
        }
        options
    }

    /// Returns whether a part is selected.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|name| name == part)
    }
}
