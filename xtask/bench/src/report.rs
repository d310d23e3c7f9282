//! What was measured, as Markdown with plots.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Result;

use crate::measure::{MeasuredTime, Measured, Spread};

/// One row of the list of work, with a table for each way of doing it.
pub struct Row {
    pub id: &'static str,
    pub title: &'static str,
    /// What was done, and how.
    pub method: String,
    pub tables: Vec<Table>,
}

pub struct Table {
    pub title: String,
    pub header: Vec<String>,
    pub lines: Vec<Vec<String>>,
    /// What the bars of the plot show.
    pub bars: Vec<Bar>,
    pub unit: String,
    pub goals: Vec<Goal>,
}

pub struct Bar {
    pub name: String,
    pub value: Spread,
    pub kind: CompetitorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompetitorKind {
    Ours,
    Floor,
    Peer,
}

pub struct Goal {
    pub text: String,
    pub found: String,
    pub met: Met,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    Yes,
    /// The limit lies between the lower quartile and the median.
    WithinNoise,
    No,
}

impl Goal {
    pub fn ratio(text: impl Into<String>, found: Spread, limit: f64) -> Self {
        let met = match () {
            () if found.median <= limit => Met::Yes,
            () if found.low <= limit => Met::WithinNoise,
            () => Met::No,
        };
        Self { text: text.into(), found: shown_ratio(found), met }
    }

    pub fn exact(text: impl Into<String>, found: impl Into<String>, met: bool) -> Self {
        Self { text: text.into(), found: found.into(), met: if met { Met::Yes } else { Met::No } }
    }
}

/// What each contender is to a table.
pub struct Cast<'a> {
    /// Those with which the library is measured.
    pub ours: &'a [&'a str],
    pub floors: &'a [&'a str],
    /// To which all ratios are.
    pub base: &'a str,
}

impl Cast<'_> {
    pub fn kind(&self, name: &str) -> CompetitorKind {
        match () {
            () if self.ours.contains(&name) => CompetitorKind::Ours,
            () if self.floors.contains(&name) => CompetitorKind::Floor,
            () => CompetitorKind::Peer,
        }
    }
}

pub fn find<'m>(measured: &'m [Measured], name: &str) -> Option<&'m Measured> {
    measured.iter().find(|measured| measured.name == name && !measured.samples.is_empty())
}

/// Times of several contenders, with the ratio of each to one of them.
pub fn times(title: impl Into<String>, measured: &[Measured], cast: &Cast<'_>, clock: MeasuredTime) -> Table {
    let base = find(measured, cast.base);
    let other = if clock == MeasuredTime::Cpu { MeasuredTime::Wall } else { MeasuredTime::Cpu };
    let mut facts: Vec<String> = Vec::new();
    for (name, count) in measured.iter().flat_map(|measured| &measured.facts) {
        if count != "0" && !facts.contains(name) {
            facts.push(name.clone());
        }
    }
    let clock_name = |clock| if clock == MeasuredTime::Cpu { "CPU" } else { "wall" };
    let mut header = vec![
        String::new(),
        format!("{} × {}", clock_name(clock), cast.base),
        clock_name(clock).to_owned(),
        format!("{} × {}", clock_name(other), cast.base),
        clock_name(other).to_owned(),
    ];
    header.extend(facts.iter().cloned());
    let mut lines = Vec::new();
    let mut bars = Vec::new();
    for one in measured {
        let name = match cast.kind(&one.name) {
            CompetitorKind::Ours => format!("**{}**", one.name),
            _ => one.name.clone(),
        };
        let mut line = vec![name];
        if let Some(problem) = &one.failed {
            line.push(format!("not measured: {}", problem.lines().next().unwrap_or_default()));
            line.resize(header.len(), String::new());
            lines.push(line);
            continue;
        }
        for clock in [clock, other] {
            line.push(base.map_or(String::new(), |base| shown_ratio(one.ratio(base, clock))));
            line.push(shown_time(one.time(clock).median));
        }
        for fact in &facts {
            let count = one.facts.iter().find(|(name, _)| name == fact);
            line.push(count.map_or_else(|| "0".to_owned(), |(_, count)| count.clone()));
        }
        lines.push(line);
        if let Some(base) = base {
            bars.push(Bar {
                name: one.name.clone(),
                value: one.ratio(base, clock),
                kind: cast.kind(&one.name),
            });
        }
    }
    let unit = format!("{} time as a multiple of {}", clock_name(clock), cast.base);
    Table { title: title.into(), header, lines, bars, unit, goals: Vec::new() }
}

impl Table {
    /// A goal of one contender beside another, by the table's own measure.
    pub fn with_goal(
        mut self,
        text: &str,
        measured: &[Measured],
        (ours, to): (&str, &str),
        clock: MeasuredTime,
        limit: f64,
    ) -> Self {
        if let (Some(ours), Some(to)) = (find(measured, ours), find(measured, to)) {
            self.goals.push(Goal::ratio(text, ours.ratio(to, clock), limit));
        }
        self
    }
}

pub fn shown_ratio(ratio: Spread) -> String {
    if ratio.median.is_nan() {
        return "–".to_owned();
    }
    let digits = if ratio.median < 10.0 { 2 } else { 1 };
    format!("{:.digits$} ({:.digits$}–{:.digits$})", ratio.median, ratio.low, ratio.high)
}

pub fn shown_time(nanoseconds: f64) -> String {
    match nanoseconds {
        unknown if unknown.is_nan() => "–".to_owned(),
        time if time < 1e3 => format!("{time:.0} ns"),
        time if time < 1e4 => format!("{:.2} µs", time / 1e3),
        time if time < 1e6 => format!("{:.1} µs", time / 1e3),
        time if time < 1e9 => format!("{:.1} ms", time / 1e6),
        time => format!("{:.1} s", time / 1e9),
    }
}

const HOW_GOALS_ARE_JUDGED: &str = "\
    A goal for a ratio is met if the median of the rounds is not above the limit. It is met within noise if the median is above it, but \
    the lower quartile is not: in at least a quarter of the rounds it was met. Otherwise it is missed. Counts and sizes are exact: \
    they meet their goal or miss it.";

/// The place of a heading in the page, as it is commonly made from its words.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Writes the page and its plots.
pub fn write(page: &Path, plots: &Path, preface: &str, rows: &[Row]) -> Result<()> {
    fs::create_dir_all(plots)?;
    let mut text = String::from(preface);
    text.push_str("\n## Goals\n\n");
    text.push_str(HOW_GOALS_ARE_JUDGED);
    text.push_str("\n\n| work | goal | measured | |\n| --- | --- | --- | --- |\n");
    for row in rows {
        for table in &row.tables {
            for goal in &table.goals {
                let met = match goal.met {
                    Met::Yes => "met",
                    Met::WithinNoise => "met within noise",
                    Met::No => "**missed**",
                };
                let title = match table.title.is_empty() {
                    true => row.title.to_owned(),
                    false => format!("{}, {}", row.title, table.title),
                };
                let place = anchor(row.title);
                writeln!(text, "| [{title}](#{place}) | {} | {} | {met} |", goal.text, goal.found)?;
            }
        }
    }
    for row in rows {
        writeln!(text, "\n## {}\n\n{}", row.title, row.method.trim())?;
        for (at, table) in row.tables.iter().enumerate() {
            if !table.title.is_empty() {
                writeln!(text, "\n### {}", capital(&table.title))?;
            }
            writeln!(text, "\n| {} |", table.header.join(" | "))?;
            writeln!(text, "|{}", " --- |".repeat(table.header.len()))?;
            for line in &table.lines {
                writeln!(text, "| {} |", line.join(" | "))?;
            }
            if table.bars.len() > 1 {
                let name = match row.tables.len() {
                    1 => format!("{}.svg", row.id),
                    _ => format!("{}-{}.svg", row.id, at + 1),
                };
                fs::write(plots.join(&name), plot(table))?;
                let folder = plots.file_name().unwrap_or_default().to_string_lossy();
                writeln!(text, "\n![{}, {}]({folder}/{name})", row.title, table.unit)?;
            }
        }
    }
    // A cell without a text would leave white space at the end of nothing; tidy wants none at the ends of lines.
    let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    fs::write(page, text)?;
    Ok(())
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

/// Horizontal bars with the quartiles as a line on each, on a ground that is readable by day and by night.
fn plot(table: &Table) -> String {
    const ROW: f64 = 26.0;
    const LEFT: f64 = 250.0;
    const WIDTH: f64 = 400.0;
    // One slow peer must not make all others a hair's breadth.
    let mut medians: Vec<f64> = table.bars.iter().map(|bar| bar.value.median).collect();
    medians.sort_by(f64::total_cmp);
    let typical = medians[medians.len() / 2];
    let most = table.bars.iter().map(|bar| bar.value.high).fold(0.0, f64::max).min(typical * 6.0);
    let x = |value: f64| LEFT + (value / most).min(1.0) * WIDTH;
    let height = ROW * table.bars.len() as f64 + 44.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height}\" width=\"760\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n  \
         <rect width=\"760\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (at, bar) in table.bars.iter().enumerate() {
        let y = 10.0 + ROW * at as f64;
        let color = match bar.kind {
            CompetitorKind::Ours => "#2563a8",
            CompetitorKind::Floor => "#8a8f98",
            CompetitorKind::Peer => "#d39a3c",
        };
        let end = x(bar.value.median);
        let middle = y + 9.0;
        let cut = if bar.value.median > most { " →" } else { "" };
        let (low, high) = (x(bar.value.low), x(bar.value.high));
        let _ = write!(
            svg,
            "  <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#1f2328\">{}</text>\n  \
             <rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"18\" fill=\"{color}\"/>\n  \
             <line x1=\"{low:.1}\" y1=\"{middle:.1}\" x2=\"{high:.1}\" y2=\"{middle:.1}\" stroke=\"#1f2328\"/>\n  \
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#1f2328\">{}{cut}</text>\n",
            LEFT - 8.0,
            y + 13.0,
            escaped(&bar.name),
            (end - LEFT).max(0.5),
            end.max(high) + 6.0,
            y + 13.0,
            shown_value(bar.value.median),
        );
    }
    let _ = write!(
        svg,
        "  <text x=\"{LEFT}\" y=\"{:.1}\" fill=\"#59636e\">{}; the line spans the quartiles</text>\n</svg>\n",
        height - 12.0,
        escaped(&table.unit)
    );
    svg
}

fn shown_value(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
