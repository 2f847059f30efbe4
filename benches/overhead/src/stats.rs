//! Medians and ratios.

pub(crate) struct Series {
    name: &'static str,
    cpu: Vec<f64>,
    ratios: Vec<f64>,
}

impl Series {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            cpu: Vec::new(),
            ratios: Vec::new(),
        }
    }

    /// One round: the CPU seconds of this mode and of bare.
    pub(crate) fn push(&mut self, cpu: f64, bare: f64) {
        self.cpu.push(cpu);
        self.ratios.push(cpu / bare);
    }

    pub(crate) fn print(&mut self, ops: usize) {
        #[allow(clippy::cast_precision_loss)]
        let micros = median(&mut self.cpu) * 1e6 / ops as f64;
        let ratio = median(&mut self.ratios);
        let (low, high) = (
            self.ratios[self.ratios.len() / 10],
            self.ratios[self.ratios.len() * 9 / 10],
        );
        println!(
            "  {:<18} {micros:7.2} us/op   ratio {ratio:.3}   (10 % to 90 % of rounds: {low:.3} to {high:.3})",
            self.name
        );
    }
}

/// Returns the median of the values, sorting them.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
