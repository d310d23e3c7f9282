//! The processes on one store, which are killed and started again, and what they tell.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use oauth_core::serde_json;
use oauth_store_tests::{open, worker::provider};
use oauth_tokens::{Filter, Status, TokenManager, TokenStore};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    task::JoinHandle,
};

use crate::worker::{Order, Report, Ring, Second, Settings};

pub(crate) const PROVIDER: &str = "oauth2";

/// How many processes use a store.
pub(crate) const PROCESSES: usize = 3;

/// The processes on one store.
pub(crate) struct Crew {
    pub(crate) name: &'static str,
    settings: Settings,
    processes: Vec<Process>,
    told: Arc<Mutex<Told>>,
}

struct Process {
    child: Child,
    input: ChildStdin,
    listener: JoinHandle<()>,
}

/// What the processes of a crew told.
#[derive(Default)]
pub(crate) struct Told {
    /// Each second of the process that is never killed.
    pub(crate) watched: Vec<Second>,
    pub(crate) gets: u64,
    pub(crate) refreshes: u64,
    pub(crate) longest: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) dead: BTreeMap<String, String>,
    pub(crate) unsaved: usize,
    pub(crate) closed: usize,
}

impl Crew {
    pub(crate) fn new(name: &'static str, settings: Settings) -> Self {
        Self { name, settings, processes: Vec::new(), told: Arc::default() }
    }

    pub(crate) async fn start(&mut self) -> Result<()> {
        for index in 0..PROCESSES {
            let process = self.process(index == 0).await?;
            self.processes.push(process);
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.processes.len()
    }

    async fn process(&self, is_watched: bool) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut input = child.stdin.take().context("a process has an input")?;
        let mut output = BufReader::new(child.stdout.take().context("a process has an output")?).lines();
        write(&mut input, &self.settings).await?;
        let told = Arc::clone(&self.told);
        let listener = tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                // A process that is killed while it writes leaves half a line.
                let Ok(report) = serde_json::from_str(&line) else { continue };
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                match report {
                    Report::Second(second) => told.note(*second, is_watched),
                    Report::Closed(unsaved) => {
                        told.closed += 1;
                        told.unsaved += unsaved;
                    }
                }
            }
        });
        Ok(Process { child, input, listener })
    }

    /// Kills a process, as nothing that a program could catch, and starts another in its place.
    pub(crate) async fn kill(&mut self, index: usize, sealing_key: u8) -> Result<()> {
        self.settings.sealing_key = sealing_key;
        let mut old = self.processes.remove(index);
        old.child.kill().await?;
        old.listener.await?;
        let new = self.process(false).await?;
        self.processes.insert(index, new);
        Ok(())
    }

    pub(crate) async fn set_clock(&mut self, which: usize, seconds: i64) -> Result<()> {
        let index = which % self.len();
        write(&mut self.processes[index].input, &Order::Clock(seconds)).await
    }

    pub(crate) async fn seal_with(&mut self, key: u8) -> Result<()> {
        self.settings.sealing_key = key;
        self.tell_all(&Order::SealWith(key)).await
    }

    /// Gives all processes the same order.
    pub(crate) async fn tell_all(&mut self, order: &Order) -> Result<()> {
        for process in &mut self.processes {
            write(&mut process.input, order).await?;
        }
        Ok(())
    }

    /// Gives each dead grant another chance, and says how many there were.
    pub(crate) async fn revive(&self) -> Result<u64> {
        let manager = self.manager().await?;
        let dead = Filter::all().with_status(Status::Dead);
        let (mut revived, mut after) = (0, None);
        loop {
            let page = manager.find(&dead, after.as_ref(), 100).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for found in page {
                revived += u64::from(manager.revive(&found.key).await?);
            }
        }
        manager.close().await;
        Ok(revived)
    }

    /// Lets a process stand still for a while.
    pub(crate) async fn suspend(&mut self, which: usize, time: Duration) -> Result<()> {
        let process = &self.processes[which % self.len()];
        let id = process.child.id().context("a process has a number")?.to_string();
        for (signal, wait) in [("-STOP", time), ("-CONT", Duration::ZERO)] {
            let sent = Command::new("kill").args([signal, &id]).status().await?;
            ensure!(sent.success(), "kill {signal} failed");
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    pub(crate) async fn close(&mut self) -> Result<()> {
        for process in &mut self.processes {
            write(&mut process.input, &Order::Close).await?;
        }
        for mut process in self.processes.drain(..) {
            process.child.wait().await?;
            process.listener.await?;
        }
        Ok(())
    }

    pub(crate) fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A manager in this process.
    pub(crate) async fn manager(&self) -> Result<TokenManager> {
        let store: Arc<dyn TokenStore> = open(&self.settings.store, &self.settings.table).await?;
        let source = Arc::new(provider(&self.settings.token_endpoint));
        Ok(TokenManager::builder(store, Ring::new(self.settings.sealing_key)).provider(source).build()?)
    }
}

impl Told {
    fn note(&mut self, second: Second, is_watched: bool) {
        self.gets += second.gets;
        self.refreshes += second.refreshes;
        self.longest = self.longest.max(second.longest);
        for (error, times) in &second.errors {
            *self.errors.entry(error.clone()).or_default() += times;
        }
        self.dead.extend(second.dead.clone());
        if is_watched {
            self.watched.push(second);
        }
    }

    /// The most that a third of the seconds had, the second or the last one.
    pub(crate) fn most(&self, third: usize, of: impl Fn(&Second) -> u64) -> u64 {
        self.third(third).map(of).max().unwrap_or(0)
    }

    /// The least that a third of the seconds had.
    pub(crate) fn least(&self, third: usize, of: impl Fn(&Second) -> u64) -> u64 {
        self.third(third).map(of).min().unwrap_or(0)
    }

    fn third(&self, third: usize) -> impl Iterator<Item = &Second> {
        let length = self.watched.len() / 3;
        self.watched.iter().skip(third * length).take(length)
    }
}

async fn write(input: &mut ChildStdin, line: &impl serde::Serialize) -> Result<()> {
    let line = serde_json::to_string(line)?;
    input.write_all(format!("{line}\n").as_bytes()).await?;
    Ok(())
}
