//! The seconds of a soak as an SVG picture: memory, files, tasks and the time of `get` of the processes that are never killed.

use std::fmt::Write;

use crate::worker::Second;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 160.0;
const COLOURS: [&str; 2] = ["#1f77b4", "#d62728"];

/// What is shown, and in which unit.
type Panel = (&'static str, fn(&Second) -> f64);

const PANELS: [Panel; 5] = [
    ("memory in MiB", |second| second.memory as f64 / 1024.0),
    ("open files", |second| second.files as f64),
    ("tasks", |second| second.tasks as f64),
    ("p99 of get in ms, logarithmic", |second| (1.0 + second.p99 as f64 / 1000.0).log10()),
    ("gets in a second", |second| second.gets as f64),
];

/// One panel below the other, a line for each store.
pub(crate) fn svg(stores: &[(&str, Vec<Second>)]) -> String {
    let height = PANELS.len() as f64 * HEIGHT;
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' font-family='sans-serif' font-size='12'>\n\
         <rect width='100%' height='100%' fill='white'/>\n"
    );
    for (row, (name, of)) in PANELS.iter().enumerate() {
        let top = row as f64 * HEIGHT + 24.0;
        let most = stores.iter().flat_map(|(_, seconds)| seconds.iter().map(of)).fold(1e-9, f64::max);
        let _ = writeln!(svg, "<text x='8' y='{}'>{name}, at most {most:.1}</text>", top - 8.0);
        for ((store, seconds), colour) in stores.iter().zip(COLOURS) {
            let step = WIDTH / seconds.len().max(1) as f64;
            let points: String = seconds
                .iter()
                .enumerate()
                .map(|(x, second)| {
                    let y = top + (HEIGHT - 40.0) * (1.0 - of(second) / most);
                    format!("{:.1},{y:.1} ", x as f64 * step)
                })
                .collect();
            let _ = writeln!(
                svg,
                "<polyline fill='none' stroke='{colour}' points='{points}'><title>{store}</title></polyline>"
            );
        }
    }
    for (index, ((store, _), colour)) in stores.iter().zip(COLOURS).enumerate() {
        let x = WIDTH - 100.0 * (stores.len() - index) as f64;
        let _ = writeln!(svg, "<text x='{x}' y='16' fill='{colour}'>{store}</text>");
    }
    svg + "</svg>\n"
}
