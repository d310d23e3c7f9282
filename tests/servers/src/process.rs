//! A server's process, tied to the life of the process that started it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// How long a server may take to start or to end. A busy machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What starts and watches the server: the shell ends it when its own standard input ends, which the system sees to even
/// when the process that holds the other end is killed. Ctrl-C is for that process to see; it reaches this one as the end
/// of the input. A stopped server ends when it is let go on.
const WATCH: &str = "trap '' INT; signal=$1; shift; \"$@\" <&- & echo $! >&3; exec 3>&-; read -r _; kill -$signal $!; kill -CONT $!; wait $!";

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    watcher: Child,
    id: u32,
    log: PathBuf,
}

/// Who runs a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemUser {
    pub(crate) id: u32,
    pub(crate) group: u32,
}

impl Process {
    /// Starts a server in its folder. `signal` is the one that ends it at once.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        folder: &Path,
        user: Option<SystemUser>,
        signal: &str,
    ) -> Result<Self> {
        let log = folder.join("log");
        let id_file = folder.join("process-id");
        let output = File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new("sh");
        // The number of the process goes through a file, because the shell's output is the server's too.
        command.args(["-c", &format!("exec 3>'{}'; {WATCH}", id_file.display()), "sh", signal]);
        command.arg(program).args(arguments);
        command.current_dir(folder).stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output);
        as_user(&mut command, user);
        let _ = fs::remove_file(&id_file);
        let watcher = command.spawn().context("cannot start `sh`")?;
        // From here on it is ended when something fails.
        let mut process = Self { watcher, id: 0, log };
        process.wait_until("give its number", |process| {
            let id = fs::read_to_string(&id_file).ok().and_then(|text| text.trim().parse().ok());
            process.id = id.unwrap_or(0);
            id.is_some()
        })?;
        Ok(process)
    }

    /// Waits until something is so, or the server is gone, or patience.
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl FnMut(&mut Self) -> bool) -> Result<()> {
        self.wait_for(PATIENCE, what, is_so)
    }

    /// Waits so long at most.
    pub(crate) fn wait_for(
        &mut self,
        patience: Duration,
        what: &str,
        mut is_so: impl FnMut(&mut Self) -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        while !is_so(self) {
            if self.id != 0 && !signal("0", self.id) {
                bail!("the server ended instead of starting to {what}; it said:\n{}", self.said());
            }
            if begun.elapsed() > patience {
                bail!("the server did not {what} within {patience:?}; it said:\n{}", self.said());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Sends the server a signal, such as `STOP`, `CONT` or `KILL`.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        match signal(name, self.id) {
            true => Ok(()),
            false => bail!("`kill -{name}` of the server failed; it is not running"),
        }
    }

    /// The number of the server's process.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// Sends a signal to a process; whether there is such a one. By the shell's own `kill`, because not every system has a program of
/// this name.
pub(crate) fn signal(name: &str, id: u32) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("kill -{name} {id}")]).stderr(Stdio::null());
    shell.status().is_ok_and(|status| status.success())
}

/// The processes that this one has started.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let of_linux = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // Number, name in brackets (which may hold anything), state, number of the parent.
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned();
        Some((entry.file_name().to_str()?.to_owned(), parent))
    });
    let mut all: Vec<_> = of_linux.collect();
    if all.is_empty()
        && let Ok(list) = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output()
    {
        let list = String::from_utf8_lossy(&list.stdout).into_owned();
        let pair = |line: &str| {
            line.trim().split_once(' ').map(|(one, other)| (one.to_owned(), other.trim().to_owned()))
        };
        all = list.lines().filter_map(pair).collect();
    }
    let parent = parent.to_string();
    all.into_iter().filter(|(_, of)| *of == parent).filter_map(|(child, _)| child.parse().ok()).collect()
}

/// The user of this name, if the system has one.
pub(crate) fn user(name: &str) -> Option<SystemUser> {
    let number = |option: &str| {
        let output = Command::new("id").args([option, name]).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    Some(SystemUser { id: number("-u")?, group: number("-g")? })
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(unix)]
pub(crate) fn as_user(command: &mut Command, user: Option<SystemUser>) {
    use std::os::unix::process::CommandExt;

    if let Some(user) = user {
        command.uid(user.id).gid(user.group);
    }
}

#[cfg(not(unix))]
pub(crate) fn as_user(_: &mut Command, _: Option<SystemUser>) {}

/// Gives a folder to a user.
#[cfg(unix)]
pub(crate) fn give(folder: &Path, user: SystemUser) -> Result<()> {
    std::os::unix::fs::chown(folder, Some(user.id), Some(user.group))
        .with_context(|| format!("cannot give {} to another user", folder.display()))
}

#[cfg(not(unix))]
pub(crate) fn give(_: &Path, _: SystemUser) -> Result<()> {
    Ok(())
}

/// The folder, if the user can get there: a repository below root's own folder is closed to everybody else.
pub(crate) fn reachable(folder: &Path, user: Option<SystemUser>) -> Option<PathBuf> {
    fs::create_dir_all(folder).ok()?;
    let mut test = Command::new("test");
    test.arg("-x").arg(folder).current_dir("/");
    as_user(&mut test, user);
    test.status().is_ok_and(|status| status.success()).then(|| folder.to_owned())
}
