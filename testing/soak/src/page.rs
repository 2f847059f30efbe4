//! The report of a run, for people: a page and its picture.

use std::fs;
use std::path::Path;

use crate::figures::Samples;
use crate::plot;
use crate::report;

/// Writes `SOAK.md` and `soak.svg` into this folder.
pub(crate) fn write(
    dir: &Path,
    samples: &Samples,
    head: &str,
    wrong: &[String],
) -> Result<(), String> {
    let save = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
    };
    save("soak.svg", &plot::svg(samples))?;
    save("SOAK.md", &text(samples, head, wrong))
}

fn text(samples: &Samples, head: &str, wrong: &[String]) -> String {
    let (table, is_flat) = report::table(samples);
    let is_good = is_flat && wrong.is_empty();
    let result = if is_good { "passed" } else { "FAILED" };
    let failures: String = wrong.iter().map(|why| format!("- {why}\n")).collect();
    format!(
        "<!-- Written by `cargo xtask soak --page docs/reports`; do not edit. -->\n\
         # Soak\n\n\
         For operators and contributors: whether a resource grows under lasting load.\n\n\
         Eight gateways (TCP, TLS, frames, a Unix socket, the PROXY protocol, eviction, a small memory\n\
         budget, four workers) and the examples `axum` and `tonic` serve good and bad peers. Configurations\n\
         change and certificates are rotated meanwhile. Tor is left out: its network needs other processes.\n\n\
         A figure grows if the median of all slopes in the second half, times that half, exceeds the allowed\n\
         rise. `allocator` is the memory that the allocator has from the system, by its own statistics.\n\n\
         Result: {result}\n{failures}\n\
         ```text\n{head}\n\n{table}```\n\n\
         ![Each figure over the run](soak.svg)\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::samples;

    #[test]
    fn result_needs_flat_figures_without_failure() {
        let flat = samples(0, |_| 0.0);
        assert!(text(&flat, "h", &[]).contains("Result: passed\n"));
        let failed = text(&flat, "h", &["tcp: cut".to_owned()]);
        assert!(failed.contains("Result: FAILED\n- tcp: cut\n"), "{failed}");
        let grown = text(&samples(0, |i| i), "h", &[]);
        assert!(grown.contains("Result: FAILED\n") && grown.contains("GROWS"));
    }
}
