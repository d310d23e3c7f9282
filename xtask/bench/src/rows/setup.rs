//! The first exchange of each runtime, which needs an HTTP client, a connection and TLS.

use anyhow::Result;

use crate::{
    measure::{MeasuredTime, Contender, beside_server, interleave},
    report::{Cast, Row, times},
    rows::exchange,
    world::{World, runtime},
};

const FLOOR: &str = "bare reqwest";
const OURS: &str = "oauth-clients";

pub fn row(world: &mut World) -> Result<Row> {
    beside_server(|| measured(world))
}

fn measured(world: &mut World) -> Result<Row> {
    let url = format!("{}/token", world.server.hello.https);
    let ours = exchange::ours(&url, None)?;
    // Connections end with the runtime that opened them.
    let first = |exchange: exchange::ExchangeFn| {
        let runtime = runtime().expect("a runtime can be made");
        runtime.block_on(exchange());
    };
    let contenders = vec![
        Contender::new(FLOOR, |count| {
            (0..count).for_each(|_| first(exchange::bare_reqwest(&url).expect("a client can be made")));
        }),
        Contender::new(OURS, |count| (0..count).for_each(|_| first(ours.clone()))),
        Contender::new("oauth2 + reqwest", |count| {
            (0..count).for_each(|_| first(exchange::oauth2_reqwest(&url).expect("a client can be made")));
        }),
    ];
    let plan = world.plan(20);
    let server = &mut world.server;
    let measured = interleave(contenders, plan, &mut || {
        let counts = server.counts().into_iter();
        counts.filter(|(name, _)| !name.starts_with('/') || name == "/token").collect()
    });
    let cast = Cast { ours: &[OURS], floors: &[FLOOR], base: FLOOR };
    Ok(Row {
        id: "setup",
        title: "First exchange of a runtime",
        method: format!(
            "{} runtimes in each round, each of which makes one exchange over https and ends: what a program with a runtime for each \
             thread, or a test for each case, does. The others make an HTTP client for each runtime, because connections do not \
             outlive the runtime that opened them; this library's client is made once, keeps an HTTP client for each runtime by \
             itself, and reads the system's certificates once in a process.",
            plan.iterations
        ),
        tables: vec![times("", &measured, &cast, MeasuredTime::Cpu)],
    })
}
