//! `cargo xtask bench`: this library beside its peers, in a program of its own, because nothing else should build the peers.

use anyhow::Result;

use crate::workspace::{self, Metadata, cargo};

pub(crate) fn run(quick: bool, rows: &[String]) -> Result<()> {
    let scratch = Metadata::target_directory()?.join("bench");
    let mut bench = cargo();
    bench.args(["run", "--quiet", "--release", "--manifest-path=xtask/bench/Cargo.toml", "--target-dir"]);
    bench.arg(&scratch).args(["--", "measure"]).args([&workspace::root(), &scratch]).args(rows);
    if quick {
        bench.arg("--quick");
    }
    workspace::run(&mut bench)
}
