//! What goes wrong in a soak: one trouble after another, each store and each process in turn.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use oauth_core::serde_json::Value;
use oauth_emulator::{Emulator, Fault};
use oauth_test_servers::Postgres;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::{
    crew::{Crew, PROVIDER},
    drip::Proxy,
    worker::Order,
};

const SECOND: Duration = Duration::from_secs(1);

/// How long the store is away at a time: longer than a lease lasts.
const OUTAGE: Duration = Duration::from_secs(4);

/// How many turns there are until it begins anew.
const TROUBLES: usize = 14;

/// What there is to trouble.
pub(crate) struct Storm<'a> {
    pub(crate) emulator: &'a Emulator,
    pub(crate) postgres: Postgres,
    /// What the processes reach the provider by.
    pub(crate) proxy: &'a Proxy,
    /// The file of SQLite.
    pub(crate) file: String,
    pub(crate) turn: usize,
    pub(crate) sealing_key: u8,
    /// What happened, and how often.
    pub(crate) happened: BTreeMap<&'static str, u64>,
}

impl Storm<'_> {
    /// One trouble, which is over when this returns.
    pub(crate) async fn trouble(&mut self, crews: &mut [Crew]) -> Result<()> {
        self.turn += 1;
        let round = self.turn / TROUBLES;
        let crew = round % crews.len();
        let name = match self.turn % TROUBLES {
            1 | 4 | 7 => {
                // Not the first of a crew, whose growth is watched.
                let crew = self.turn % crews.len();
                let process = 1 + round % (crews[crew].len() - 1);
                crews[crew].kill(process, self.sealing_key).await?;
                "processes killed"
            }
            2 => self.fault(2 * round).await?,
            10 => self.fault(2 * round + 1).await?,
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
            6 => {
                self.postgres.stop();
                tokio::time::sleep(OUTAGE).await;
                self.postgres.start_again()?;
                "PostgreSQL killed"
            }
            8 => {
                let seconds = [7, -7, 0, 60, -60, 0][round % 6];
                crews[crew].set_clock(round, seconds).await?;
                "clocks set"
            }
            9 => match round.is_multiple_of(2) {
                true => {
                    crews[round / 2 % crews.len()].suspend(round, OUTAGE).await?;
                    "processes suspended"
                }
                false => {
                    self.sealing_key = self.sealing_key.wrapping_add(1);
                    for crew in crews {
                        crew.seal_with(self.sealing_key).await?;
                    }
                    "sealing keys rotated"
                }
            },
            11 => {
                for crew in crews {
                    crew.tell_all(&Order::LoseReplies(20)).await?;
                }
                tokio::time::sleep(OUTAGE).await;
                "times that stores saved and did not say so"
            }
            12 => match round.is_multiple_of(2) {
                true => {
                    crews[round / 2 % crews.len()].tell_all(&Order::Full(true)).await?;
                    tokio::time::sleep(OUTAGE).await;
                    crews[round / 2 % crews.len()].tell_all(&Order::Full(false)).await?;
                    "disks full"
                }
                false => {
                    self.read_only().await?;
                    "times that PostgreSQL was read-only"
                }
            },
            13 => {
                self.proxy.set_dripping(true);
                tokio::time::sleep(2 * OUTAGE).await;
                self.proxy.set_dripping(false);
                "times that replies came byte by byte"
            }
            _ => {
                self.refuse_by_mistake(crews).await?;
                "times that good grants were refused"
            }
        };
        *self.happened.entry(name).or_default() += 1;
        Ok(())
    }

    /// A fault of the provider, for a while.
    async fn fault(&self, which: usize) -> Result<&'static str> {
        let page = "<!doctype html><title>Maintenance</title><p>Back in a minute.";
        let faults = [
            Fault::ServerError,
            Fault::ResetMidBody,
            // With status 200, and the refresh token redeemed.
            Fault::Body(page.to_owned()),
            Fault::TooManyRequests { retry_after: SECOND },
            Fault::Slow(2 * SECOND),
            Fault::TruncatedJson,
            Fault::Member("access_token".to_owned(), None::<Value>),
            Fault::HtmlErrorPage,
            Fault::EmptyBody,
            Fault::Status(503),
            Fault::InvalidUtf8,
            Fault::Refuse("temporarily_unavailable".to_owned()),
        ];
        self.emulator.fault(PROVIDER, faults[which % faults.len()].clone())?;
        tokio::time::sleep(3 * SECOND).await;
        self.emulator.clear_faults();
        Ok("faults of the provider")
    }

    /// PostgreSQL answers and takes nothing, as where it has become a standby.
    async fn read_only(&self) -> Result<()> {
        let mut administrator = PgConnection::connect(&self.postgres.url()).await?;
        let mut run = async |statement: &'static str| {
            sqlx::raw_sql(statement).execute(&mut administrator).await.map(drop)
        };
        run("SET default_transaction_read_only = off").await?;
        run("ALTER SYSTEM SET default_transaction_read_only = on").await?;
        run("SELECT pg_reload_conf()").await?;
        tokio::time::sleep(OUTAGE).await;
        run("ALTER SYSTEM RESET default_transaction_read_only").await?;
        run("SELECT pg_reload_conf()").await?;
        Ok(())
    }

    /// The provider takes good grants for bad ones for a moment, and the application gives them another chance.
    async fn refuse_by_mistake(&mut self, crews: &mut [Crew]) -> Result<()> {
        let known: Vec<_> = crews.iter().map(|crew| crew.told().dead.clone()).collect();
        self.emulator.fault(PROVIDER, Fault::Refuse("invalid_grant".to_owned()))?;
        tokio::time::sleep(SECOND).await;
        self.emulator.clear_faults();
        // Requests that are under way, and the notes of their answers.
        tokio::time::sleep(2 * SECOND).await;
        for crew in &mut *crews {
            *self.happened.entry("grants given another chance").or_default() += crew.revive().await?;
        }
        // A process believes what it knows for five seconds, and tells it in the sixth.
        tokio::time::sleep(8 * SECOND).await;
        for (crew, known) in crews.iter().zip(known) {
            crew.told().dead = known;
        }
        Ok(())
    }
}
