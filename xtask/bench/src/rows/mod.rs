//! The rows of the table, one file each.

mod build;
mod cold;
mod exchange;
mod manager;
mod parse;
mod seal;
mod storm;
mod url;
mod verify;

use anyhow::Result;

pub use verify::{ISSUER, by_hand, verifying_client};

use crate::{report::Row, world::World};

type Measure = fn(&mut World) -> Result<Row>;

/// All rows by the names under which they can be asked for.
pub const ALL: &[(&str, Measure)] = &[
    ("exchange", exchange::row),
    ("url", url::row),
    ("verify", verify::row),
    ("cold", cold::row),
    ("parse", parse::row),
    ("seal", seal::row),
    ("manager", manager::row),
    ("storm", storm::row),
    ("build", build::row),
    ("catalogue", build::all),
];
