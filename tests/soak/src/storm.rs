//! What goes wrong in a soak: one trouble after another, each store and each process in turn.

use std::time::Duration;

use anyhow::Result;
use oauth_emulator::{Emulator, Fault};
use oauth_test_servers::Postgres;
use sqlx::{Connection, SqliteConnection};

use crate::crew::{Crew, PROVIDER};

const SECOND: Duration = Duration::from_secs(1);

/// How long the store is away at a time: longer than a lease lasts.
const OUTAGE: Duration = Duration::from_secs(4);

/// What there is to trouble.
pub(crate) struct Storm<'a> {
    pub(crate) emulator: &'a Emulator,
    pub(crate) postgres: Postgres,
    /// The file of SQLite.
    pub(crate) file: String,
    pub(crate) turn: usize,
    pub(crate) sealing_key: u8,
    /// What happened, and how often.
    pub(crate) happened: std::collections::BTreeMap<&'static str, u64>,
}

impl Storm<'_> {
    /// One trouble, which is over when this returns.
    pub(crate) async fn trouble(&mut self, crews: &mut [Crew]) -> Result<()> {
        self.turn += 1;
        let name = match self.turn % 10 {
            1 | 4 | 6 | 9 => {
                // Not the first of a crew, whose growth is watched.
                let crew = self.turn / 2 % crews.len();
                let process = 1 + self.turn % (crews[crew].len() - 1);
                crews[crew].kill(process, self.sealing_key).await?;
                "processes killed"
            }
            2 => {
                let faults = [
                    Fault::ServerError,
                    Fault::ResetMidBody,
                    Fault::TooManyRequests { retry_after: SECOND },
                    Fault::Slow(2 * SECOND),
                    Fault::TruncatedJson,
                    Fault::HtmlErrorPage,
                ];
                let fault = faults[self.turn / 10 % faults.len()].clone();
                self.emulator.fault(PROVIDER, fault)?;
                tokio::time::sleep(3 * SECOND).await;
                self.emulator.clear_faults();
                "faults of the provider"
            }
            3 => {
                self.postgres.freeze()?;
                tokio::time::sleep(OUTAGE).await;
                self.postgres.thaw()?;
                "PostgreSQL suspended"
            }
            5 => {
                // Another program writes into the file for longer than a lease lasts.
                let mut other = SqliteConnection::connect(&self.file).await?;
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await?;
                tokio::time::sleep(OUTAGE).await;
                sqlx::raw_sql("ROLLBACK").execute(&mut other).await?;
                "SQLite locked"
            }
            7 => {
                self.postgres.stop();
                tokio::time::sleep(OUTAGE).await;
                self.postgres.start_again()?;
                "PostgreSQL killed"
            }
            8 => {
                let crew = self.turn / 10 % crews.len();
                let seconds = [7, -7, 0, 60, -60, 0][self.turn / 10 % 6];
                crews[crew].set_clock(self.turn / 10, seconds).await?;
                "clocks set"
            }
            _ => {
                let crew = self.turn / 10 % crews.len();
                if (self.turn / 10).is_multiple_of(2) {
                    crews[crew].suspend(self.turn / 10, OUTAGE).await?;
                    self.happened.entry("processes suspended").and_modify(|times| *times += 1).or_insert(1);
                    return Ok(());
                }
                self.sealing_key = self.sealing_key.wrapping_add(1);
                for crew in crews {
                    crew.seal_with(self.sealing_key).await?;
                }
                "sealing keys rotated"
            }
        };
        *self.happened.entry(name).or_default() += 1;
        Ok(())
    }
}
