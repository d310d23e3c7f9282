//! The soak: processes on two stores, a provider, sign-ins, and one trouble after another; in the end, nothing is lost and nothing has grown.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use oauth_emulator::Emulator;
use oauth_test_servers::Postgres;
use oauth_tokens::TokenError;

use crate::{
    crew::{Crew, PROCESSES, PROVIDER, Told},
    drip::Proxy,
    plot,
    site::Site,
    storm::Storm,
    worker::{Second, Settings, key},
};

/// How many grants there are in each store.
const SUBJECTS: usize = 100;

const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(20);

/// Longer than whatever a trouble and a busy machine can hold up a refresh.
const GRACE: Duration = Duration::from_secs(120);

/// What is watched in a process that is never killed, how much more of it there may be at most in the last third of the soak than in the
/// second, and how much more at least: troubles come and go, and what stays when they are over is what has leaked.
type Limit = (&'static str, fn(&Second) -> u64, u64, u64);

const LIMITS: [Limit; 3] = [
    ("KiB of memory", |second| second.memory, 16 * 1024, 4 * 1024),
    // Connections that are idle stay for a minute and a half.
    ("open files", |second| second.files, 8, 12),
    ("tasks", |second| second.tasks, 64, 16),
];

/// More requests than these for each refresh are more than the faults explain: a grace hides a refresh token that is redeemed twice.
const REQUESTS_FOR_A_REFRESH: f64 = 1.5;

/// Soaks for so many minutes, and writes what it saw into a folder.
pub(crate) async fn run(minutes: u64, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let file = folder.join("tokens.db");
    for rest in ["tokens.db", "tokens.db-wal", "tokens.db-shm"] {
        let _ = fs::remove_file(folder.join(rest));
    }
    let emulator = Emulator::builder()
        .rotate_refresh_tokens(true)
        .refresh_token_grace(GRACE)
        .access_token_lifetime(ACCESS_TOKEN_LIFETIME)
        .any_redirect_uri()
        .start()
        .await?;
    let postgres = Postgres::start(folder)?;
    let proxy = Proxy::of(&emulator.local("https://oauth2.example/token")).await?;
    let settings = |store: String| Settings {
        store,
        table: "soak".to_owned(),
        token_endpoint: proxy.url.clone(),
        subjects: SUBJECTS,
        tasks: 8,
        sealing_key: 1,
    };
    let stores = [
        ("SQLite", settings(format!("sqlite:{}", file.display()))),
        ("PostgreSQL", settings(postgres.url())),
    ];
    let mut crews = Vec::new();
    for (name, settings) in stores {
        let mut crew = Crew::new(name, settings);
        let manager = crew.manager().await?;
        for subject in 0..SUBJECTS {
            manager.put(&key(subject), &emulator.sign_in(PROVIDER)?).await?;
        }
        manager.close().await;
        crew.start().await?;
        crews.push(crew);
    }
    let mut storm = Storm {
        emulator: &emulator,
        postgres,
        proxy: &proxy,
        file: format!("sqlite:{}", file.display()),
        turn: 0,
        sealing_key: 1,
        happened: BTreeMap::new(),
    };
    let (began, mut requests, mut sign_ins, mut not_saved) = (Instant::now(), 0, 0, 0);
    let site = Site::new(&emulator)?;
    while began.elapsed() < Duration::from_secs(60 * minutes) {
        let mut users = Vec::new();
        for _ in &crews {
            users.push(site.begin(storm.sealing_key).await?);
        }
        storm.trouble(&mut crews).await?;
        // Who signs in again, with a process that does nothing else.
        for (crew, user) in crews.iter().zip(users) {
            let token = site.end(user, storm.sealing_key).await?;
            let manager = crew.manager().await?;
            let subject = storm.turn % SUBJECTS;
            match manager.put(&key(subject), &token).await {
                Ok(_) => sign_ins += 1,
                Err(TokenError::NotSaved { .. } | TokenError::Store { .. }) => not_saved += 1,
                Err(error) => bail!("{}: a login failed: {error}", crew.name),
            }
            manager.close().await;
        }
        requests += count(&emulator);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    emulator.clear_faults();
    tokio::time::sleep(Duration::from_secs(10)).await;
    requests += count(&emulator);
    for crew in &mut crews {
        crew.set_clock(0, 0).await?;
        crew.close().await?;
    }
    // Whatever is stored expires, so that a refresh token must be redeemed for each grant.
    tokio::time::sleep(ACCESS_TOKEN_LIFETIME).await;
    let mut report = report(minutes, &crews, &storm, requests, (sign_ins, not_saved));
    let mut wrong = Vec::new();
    for crew in &crews {
        wrong.extend(judge(crew, minutes).await?);
    }
    let refreshes: u64 = crews.iter().map(|crew| crew.told().refreshes).sum();
    if requests as f64 > REQUESTS_FOR_A_REFRESH * refreshes as f64 {
        wrong.push(format!("{requests} requests for {refreshes} refreshes"));
    }
    if wrong.is_empty() {
        report += "\nNothing was lost, and nothing has grown.\n";
    } else {
        report += &format!("\nWrong:\n\n- {}\n", wrong.join("\n- "));
    }
    fs::write(folder.join("report.md"), &report)?;
    let watched: Vec<_> = crews.iter().map(|crew| (crew.name, crew.told().watched.clone())).collect();
    fs::write(folder.join("plot.svg"), plot::svg(&watched))?;
    println!("{report}\n{}", folder.join("plot.svg").display());
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

/// How many refresh tokens came since the last time.
fn count(emulator: &Emulator) -> usize {
    let requests = emulator.requests();
    emulator.clear_requests();
    requests.iter().filter(|request| request.field("grant_type") == Some("refresh_token")).count()
}

/// What is lost or has grown.
async fn judge(crew: &Crew, minutes: u64) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let manager = crew.manager().await?;
    for subject in 0..SUBJECTS {
        if let Err(error) = manager.get(&key(subject)).await {
            wrong.push(error.to_string());
        }
    }
    manager.close().await;
    let told = crew.told();
    wrong.extend(lost(&told));
    wrong.extend(grown(&told, minutes));
    Ok(wrong.into_iter().map(|what| format!("{}: {what}", crew.name)).collect())
}

/// What the processes of a crew say that they have lost.
fn lost(told: &Told) -> Vec<String> {
    let dead = told.dead.iter().map(|(subject, reason)| format!("the grant of {subject} died: {reason}"));
    let mut wrong: Vec<_> = dead.collect();
    if told.unsaved > 0 || told.closed != PROCESSES {
        wrong.push(format!("{} closed, {} tokens unsaved", told.closed, told.unsaved));
    }
    wrong
}

/// What has grown in the process that is never killed. One that says nothing shows nothing.
fn grown(told: &Told, minutes: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    // It tells each second, if the machine lets it.
    let seconds = told.watched.len();
    let is_silent = |of: fn(&Second) -> u64| told.watched.iter().map(of).sum::<u64>() == 0;
    if (seconds as u64) < 20 * minutes
        || is_silent(|second| second.gets)
        || is_silent(|second| second.refreshes)
    {
        wrong.push(format!(
            "the process that is watched has told of {seconds} seconds, or has done nothing in them"
        ));
    }
    for (what, of, limit, lasting) in LIMITS {
        if is_silent(of) {
            wrong.push(format!("the number of {what} is not known"));
        }
        let (before, after) = (told.most(1, of), told.most(2, of));
        if after > before + limit {
            wrong.push(format!("{before} {what} at most, and then {after}"));
        }
        let (before, after) = (told.least(1, of), told.least(2, of));
        if after > before + lasting {
            wrong.push(format!("{before} {what} at least, and then {after}"));
        }
    }
    wrong
}

fn report(minutes: u64, crews: &[Crew], storm: &Storm<'_>, requests: usize, sign_ins: (u64, u64)) -> String {
    let mut text = format!(
        "# A soak of {minutes} minutes\n\n{PROCESSES} processes on each store, {SUBJECTS} grants in each, access tokens for {} s, a grace of {} s. \
         {} sign-ins, and {} that the store did not take.\n\n",
        ACCESS_TOKEN_LIFETIME.as_secs(),
        GRACE.as_secs(),
        sign_ins.0,
        sign_ins.1
    );
    for (what, times) in &storm.happened {
        text += &format!("- {what}: {times}\n");
    }
    let refreshes: u64 = crews.iter().map(|crew| crew.told().refreshes).sum();
    text += &format!(
        "\n{requests} requests to the provider, {:.2} for each of {refreshes} refreshes that were told.\n\n",
        requests as f64 / refreshes.max(1) as f64
    );
    text += "| store | gets | refreshes | errors | p99 of `get` (median second) | longest `get` | memory before, after | files | tasks |\n";
    text += "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    for crew in crews {
        let told = crew.told();
        let mut p99: Vec<_> = told.watched.iter().map(|second| second.p99).collect();
        p99.sort_unstable();
        let errors: u64 = told.errors.values().sum();
        let of = |of: fn(&Second) -> u64| (told.most(1, of), told.most(2, of));
        let (memory, files, tasks) =
            (of(|second| second.memory), of(|second| second.files), of(|second| second.tasks));
        text += &format!(
            "| {} | {} | {} | {errors} | {:.2} ms | {:.1} s | {:.1}, {:.1} MiB | {}, {} | {}, {} |\n",
            crew.name,
            told.gets,
            told.refreshes,
            p99.get(p99.len() / 2).copied().unwrap_or(0) as f64 / 1000.0,
            told.longest as f64 / 1e6,
            memory.0 as f64 / 1024.0,
            memory.1 as f64 / 1024.0,
            files.0,
            files.1,
            tasks.0,
            tasks.1,
        );
    }
    for crew in crews {
        for (error, times) in &crew.told().errors {
            text += &format!("\n- {}: {times} × {error} …", crew.name);
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: u64 = 3;

    /// A soak in which nothing happens to the process that is watched, but for what is changed in each second.
    fn told(change: impl Fn(u64, &mut Second)) -> Told {
        let second = |number| {
            let mut second =
                Second { gets: 100, refreshes: 1, memory: 20_000, files: 30, tasks: 40, ..Second::default() };
            change(number, &mut second);
            second
        };
        Told { watched: (0..60 * MINUTES).map(second).collect(), closed: PROCESSES, ..Told::default() }
    }

    #[test]
    fn what_comes_and_goes_has_not_grown() {
        let quiet = told(|_, _| {});
        let troubled = told(|number, second| {
            if number % 40 < 5 {
                (second.memory, second.files, second.tasks) = (30_000, 36, 90);
            }
        });
        for told in [quiet, troubled] {
            assert!(grown(&told, MINUTES).is_empty() && lost(&told).is_empty());
        }
    }

    #[test]
    fn what_grows_is_found() {
        let leaks: [fn(u64, &mut Second); 3] = [
            |number, second| second.memory += 100 * number,
            |number, second| second.files += number / 4,
            |number, second| second.tasks += number / 2,
        ];
        for (number, leak) in leaks.into_iter().enumerate() {
            assert!(!grown(&told(leak), MINUTES).is_empty(), "{}", LIMITS[number].0);
        }
        // A peak that comes late.
        let late = told(|number, second| second.memory += if number == 170 { 20_000 } else { 0 });
        assert!(!grown(&late, MINUTES).is_empty());
    }

    #[test]
    fn a_process_that_tells_nothing_shows_nothing() {
        let idle = told(|_, second| second.gets = 0);
        let short = Told { watched: told(|_, _| {}).watched.split_off(150), ..told(|_, _| {}) };
        let blind = told(|_, second| second.memory = 0);
        for told in [Told::default(), idle, short, blind] {
            assert!(!grown(&told, MINUTES).is_empty());
        }
    }

    #[test]
    fn what_is_lost_is_found() {
        let mut dead = told(|_, _| {});
        dead.dead.insert("7".to_owned(), "refused".to_owned());
        let unsaved = Told { unsaved: 1, ..told(|_, _| {}) };
        let crashed = Told { closed: PROCESSES - 1, ..told(|_, _| {}) };
        for told in [dead, unsaved, crashed] {
            assert_eq!(lost(&told).len(), 1);
        }
    }
}
