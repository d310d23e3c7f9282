//! Each piece of work that has a budget of instructions, a number of times: all of them between calls of [`between_two_works`], by which
//! callgrind takes them apart, or one of them for a profiler: `oauth-instructions refresh 1000`.

#![allow(clippy::expect_used, clippy::panic, reason = "what is measured is known to succeed")]

mod pieces;

use std::{env, hint::black_box, process::ExitCode};

use crate::pieces::{Piece, Role};

/// So many times each when all are run. What a loop adds is then less than an instruction for each.
const TIMES: usize = 100;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it starts");
    // Some of the work asks for a runtime, though none of it waits.
    let _entered = runtime.enter();
    let pieces = pieces::all(&runtime);
    match &env::args().skip(1).collect::<Vec<_>>()[..] {
        [] => all(&pieces),
        [name, times] => return one(&pieces, name, times.parse().unwrap_or(TIMES)),
        _ => return usage(&pieces),
    }
    ExitCode::SUCCESS
}

/// Runs all, and prints what ran between which two calls of the mark.
fn all(pieces: &[Piece<'_>]) {
    println!("{TIMES}");
    for piece in pieces {
        for (role, work) in &piece.works {
            // What is made once is none of the work's.
            (0..3).for_each(|_| work());
            between_two_works();
            (0..TIMES).for_each(|_| work());
            between_two_works();
            println!("{}\t{}", role.name(), piece.name);
        }
    }
}

fn one(pieces: &[Piece<'_>], name: &str, times: usize) -> ExitCode {
    let Some(piece) = pieces.iter().find(|piece| piece.name == name) else { return usage(pieces) };
    let (_, work) = piece.works.iter().find(|(role, _)| *role == Role::Library).expect("each has one");
    (0..times).for_each(|_| work());
    ExitCode::SUCCESS
}

fn usage(pieces: &[Piece<'_>]) -> ExitCode {
    let names: Vec<_> = pieces.iter().map(|piece| format!("  {:?}", piece.name)).collect();
    eprintln!("One of these, and how many times; or nothing for all:\n{}", names.join("\n"));
    ExitCode::FAILURE
}

/// Does nothing. callgrind is told to write down what it has counted whenever this is called.
#[inline(never)]
fn between_two_works() {
    black_box(());
}
