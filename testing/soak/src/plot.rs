//! A picture of the samples: a panel per figure.

use std::fmt::Write as _;

use crate::figures::{Samples, FIGURES};

const WIDTH: f64 = 860.0;
const PANEL: f64 = 150.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
/// The distance between a panel's top and its maximum.
const HEAD: f64 = 26.0;
/// Colours that colour-blind readers can distinguish.
const COLOURS: [&str; 10] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#b8a800",
    "#7f7f7f", "#6a3d9a",
];
/// The width of a name in the legend.
const LEGEND: f64 = 78.0;
const STYLE: &str = "text{font:12px sans-serif;fill:currentColor}svg{color:#222;background:#fff}\
     .axis{stroke:currentColor;stroke-opacity:.25}polyline{fill:none;stroke-width:1.4}\
     @media(prefers-color-scheme:dark){svg{color:#ddd;background:#181818}}";

/// Draws the picture.
pub(crate) fn svg(samples: &Samples) -> String {
    let height = TOP + PANEL * FIGURES.len() as f64 + 20.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\n\
         <title>soak, {:.1} minutes</title>\n<style>{STYLE}</style>\n",
        samples.minutes()
    );
    for (series, (at, colour)) in samples.series.iter().zip(COLOURS.iter().enumerate()) {
        let x = LEFT + LEGEND * at as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"14\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{}\" y=\"24\">{}</text>",
            x + 16.0,
            series.name
        );
    }
    for at in 0..FIGURES.len() {
        panel(&mut out, samples, at);
    }
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{0}\">0</text><text x=\"{1}\" y=\"{0}\" text-anchor=\"end\">{2:.1} minutes</text>\n</svg>",
        height - 6.0,
        WIDTH - RIGHT,
        samples.minutes()
    );
    out
}

fn panel(out: &mut String, samples: &Samples, at: usize) {
    let (top, bottom) = (
        TOP + PANEL * at as f64 + HEAD,
        TOP + PANEL * (at + 1) as f64 - 8.0,
    );
    let lines: Vec<_> = samples
        .series
        .iter()
        .map(|series| series.figure(at))
        .collect();
    let most = lines.iter().flatten().copied().fold(1.0, f64::max);
    let last = samples.minutes().max(f64::MIN_POSITIVE);
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\">{}</text>",
        top - 8.0,
        FIGURES[at].name
    );
    for (value, y) in [(most, top), (0.0, bottom)] {
        let _ = writeln!(
            out,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{value:.1}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0
        );
    }
    let is_known = |line: &&Vec<f64>| line.iter().all(|value| value.is_finite());
    for (line, colour) in lines.iter().zip(COLOURS).filter(|(line, _)| is_known(line)) {
        let mut points = String::new();
        for (minute, value) in samples.times().iter().zip(line) {
            let (x, y) = (
                LEFT + (WIDTH - LEFT - RIGHT) * minute / last,
                bottom - (bottom - top) * value / most,
            );
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        let _ = writeln!(
            out,
            "<polyline stroke=\"{colour}\" points=\"{}\"/>",
            points.trim_end()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::samples;

    #[test]
    fn every_sample_is_a_point_in_the_picture() {
        let picture = svg(&samples(0, |i| i));
        let lines: Vec<_> = picture
            .lines()
            .filter(|line| line.starts_with("<polyline"))
            .collect();
        assert_eq!(lines.len(), 2 * FIGURES.len());
        let height = TOP + PANEL * FIGURES.len() as f64;
        for line in lines {
            let points = line
                .split("points=\"")
                .nth(1)
                .unwrap()
                .trim_end_matches("\"/>");
            let points: Vec<(f64, f64)> = points
                .split(' ')
                .map(|point| point.split_once(',').unwrap())
                .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
                .collect();
            assert_eq!(points.len(), 600);
            let inside =
                |(x, y): &(f64, f64)| (LEFT..=WIDTH).contains(x) && (TOP..=height).contains(y);
            assert!(points.iter().all(inside));
        }
    }

    #[test]
    fn growing_figure_climbs() {
        let picture = svg(&samples(0, |i| i));
        let second = picture
            .lines()
            .filter(|line| line.starts_with("<polyline"))
            .nth(1)
            .unwrap();
        let y = |point: &str| -> f64 { point.split(',').nth(1).unwrap().parse().unwrap() };
        let points = second
            .split("points=\"")
            .nth(1)
            .unwrap()
            .trim_end_matches("\"/>");
        let (first, last) = (
            points.split(' ').next().unwrap(),
            points.split(' ').next_back().unwrap(),
        );
        assert!(y(first) > y(last) + 50.0, "{first} {last}");
    }
}
