//! The steps of a long run, each with its time, and what a run could not do here.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

use crate::workspace::{self, cargo};

/// What has passed so far, and what was left out.
pub(crate) struct Steps {
    begun: Instant,
    passed: usize,
    skipped: Vec<String>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), passed: 0, skipped: Vec::new() }
    }

    /// Remembers what was not checked, and why.
    pub(crate) fn skip(&mut self, why: impl Into<String>) {
        let why = why.into();
        println!("\n=== not checked: {why}");
        self.skipped.push(why);
    }

    pub(crate) fn cargo(&mut self, arguments: &[&str]) -> Result<()> {
        let mut command = cargo();
        command.args(arguments);
        self.run(command)
    }

    pub(crate) fn cargo_denying_warnings(&mut self, arguments: &[&str]) -> Result<()> {
        let mut command = cargo();
        command.args(arguments).env("RUSTDOCFLAGS", "--deny=warnings");
        let name = format!("RUSTDOCFLAGS=--deny=warnings {}", workspace::shown(&command));
        self.step(&name, || workspace::run(&mut command))
    }

    pub(crate) fn xtask(&mut self, name: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
        self.step(&format!("cargo xtask {name}"), body)
    }

    /// A command whose name is what one would type. A tool of `tools.txt` is in `target/tools/python/bin`.
    pub(crate) fn run(&mut self, mut command: Command) -> Result<()> {
        self.step(&workspace::shown(&command), || workspace::run(&mut command))
    }

    /// A step's name is the command that repeats it.
    pub(crate) fn step(&mut self, name: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n=== {name}");
        let begun = Instant::now();
        body().map_err(|error| {
            anyhow!("{error:#}\n\nA step failed after {} that passed. To repeat it:\n  {name}", self.passed)
        })?;
        println!("=== passed in {}", shown(begun.elapsed()));
        self.passed += 1;
        Ok(())
    }

    /// Prints how much passed in what time, and what was left out.
    pub(crate) fn finish(&self) {
        println!("\nAll {} steps passed in {}.", self.passed, shown(self.begun.elapsed()));
        for skipped in &self.skipped {
            println!("Not checked: {skipped}");
        }
    }
}

fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs_f32();
    match seconds < 60.0 {
        true => format!("{seconds:.1} s"),
        false => format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}
