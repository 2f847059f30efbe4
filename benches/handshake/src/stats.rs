//! Medians, spreads and ratios, and the noise of the machine.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// The time for servers to finish the work that the clients left.
const SETTLE: Duration = Duration::from_millis(30);

/// The measurement of several subjects in interleaved rounds.
pub(crate) struct Table {
    names: Vec<&'static str>,
    costs: Vec<Vec<f64>>,
    noise: Vec<f64>,
}

impl Table {
    /// Measures every subject once per round, in alternating order.
    ///
    /// The first round warms caches and is dropped. `cpu` reads a subject's clock in seconds.
    pub(crate) fn measure(
        names: &[&'static str],
        rounds: usize,
        cpu: impl Fn(usize) -> f64,
        mut load: impl FnMut(usize),
    ) -> Self {
        let mut table = Self {
            names: names.to_vec(),
            costs: vec![Vec::new(); names.len()],
            noise: Vec::new(),
        };
        for round in 0..=rounds {
            for at in 0..names.len() {
                let which = (at + round) % names.len();
                let before = cpu(which);
                load(which);
                std::thread::sleep(SETTLE);
                if round > 0 {
                    table.costs[which].push(cpu(which) - before);
                }
            }
            if round > 0 {
                table.noise.push(fixed_work());
            }
        }
        table
    }

    /// Returns the costs of each subject and round, in a unit.
    pub(crate) fn scaled(&self, scale: f64) -> Vec<Vec<f64>> {
        let scaled = |costs: &Vec<f64>| costs.iter().map(|cost| cost * scale).collect();
        self.costs.iter().map(scaled).collect()
    }

    /// Prints medians, and ratios to the cheapest of `references`.
    pub(crate) fn print(&self, title: &str, unit: &str, scale: f64, references: &[usize]) {
        let middle = |which: &usize| spread(&self.costs[*which])[1];
        let by_cost = |a: &&usize, b: &&usize| middle(a).total_cmp(&middle(b));
        let reference = *references.iter().min_by(by_cost).unwrap();
        let [low, median, high] = spread(&self.noise);
        println!("{title}");
        println!(
            "  {} rounds; machine noise: the same work took {:.2} to {:.2} of its median",
            self.noise.len(),
            low / median,
            high / median,
        );
        for (which, name) in self.names.iter().enumerate() {
            let [low, median, high] = spread(&self.costs[which]).map(|cost| cost * scale);
            let pairs = self.costs[which].iter().zip(&self.costs[reference]);
            let ratios: Vec<f64> = pairs.map(|(cost, other)| cost / other).collect();
            let ratio = spread(&ratios);
            println!(
                "  {name:<26} {median:8.2} {unit} ({low:.2} to {high:.2})   {:.3} x {} ({:.3} to {:.3}), of medians {:.3}",
                ratio[1],
                self.names[reference],
                ratio[0],
                ratio[2],
                median / (spread(&self.costs[reference])[1] * scale),
            );
        }
        println!();
    }
}

/// Returns the 10th, 50th and 90th percentile.
fn spread(values: &[f64]) -> [f64; 3] {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    [1, 5, 9].map(|tenths| values[values.len() * tenths / 10])
}

/// Returns the median of the values, sorting them.
pub(crate) fn median(values: &[f64]) -> f64 {
    spread(values)[1]
}

/// Returns the seconds of a fixed piece of work: machine noise.
fn fixed_work() -> f64 {
    let started = Instant::now();
    let mut x = 1_u64;
    for _ in 0..10_000_000 {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    black_box(x);
    started.elapsed().as_secs_f64()
}
