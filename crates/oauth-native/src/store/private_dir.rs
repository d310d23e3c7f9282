//! A directory that only its owner can read, with files that are written whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use fs4::{FileExt, TryLockError};

/// Why a file on this machine cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalFileError {
    /// A link is where the file or the directory should be. Somebody else may have put it there.
    #[error("{} is a symbolic link, and is not followed; remove it, or name another directory", .0.display())]
    Symlink(PathBuf),
    /// Others can read it.
    #[error("{} can be read or changed by other users (mode {mode:o}); run `chmod {} {}`", .path.display(), .wanted, .path.display())]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it should have.
        wanted: &'static str,
    },
    /// Another user owns it, and could put in it whatever they like.
    #[error("{} belongs to another user (number {owner}); run this program as that user, or name another directory", .path.display())]
    OtherOwner {
        /// The file or directory.
        path: PathBuf,
        /// The number of the user who owns it.
        owner: u32,
    },
    /// Something else is where the file or the directory should be.
    #[error("{} is neither a plain file nor a directory of this program's", .0.display())]
    OtherKind(PathBuf),
    /// Another process holds the lock.
    #[error("{} is locked by another process (number {holder}); try again when it is done", .path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The number of the process that locked it last.
        holder: String,
    },
    /// The file holds something that this program did not write.
    #[error("{} is damaged: {reason}; move it away, and sign in again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it. It quotes nothing.
        reason: &'static str,
    },
    /// The machine has no directory for this user's data.
    #[error("there is no home directory ({0} is not set); name a directory for the tokens")]
    NoHome(&'static str),
    /// The operating system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

impl LocalFileError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// Whether it may pass by itself.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }
}

/// The directory.
#[derive(Clone, Debug)]
pub(crate) struct PrivateDir(PathBuf);

/// A lock that ends when it is dropped, or with the process.
#[derive(Debug)]
pub(crate) struct DirLock(File);

impl Drop for DirLock {
    fn drop(&mut self) {
        // Closing the file would do, but not if a child process has inherited it.
        let _ = FileExt::unlock(&self.0);
    }
}

impl PrivateDir {
    /// Opens the directory, and makes it if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, LocalFileError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        if fs::symlink_metadata(path).is_err() {
            builder.create(path).map_err(LocalFileError::io(path))?;
        }
        let found = fs::symlink_metadata(path).map_err(LocalFileError::io(path))?;
        if found.is_symlink() {
            return Err(LocalFileError::Symlink(path.to_owned()));
        }
        if !found.is_dir() {
            return Err(LocalFileError::OtherKind(path.to_owned()));
        }
        check_access(path, &found, "700")?;
        Ok(Self(path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A directory in this one.
    pub(crate) fn inner(&self, name: &str) -> Result<Self, LocalFileError> {
        Self::open(&self.0.join(name))
    }

    /// A directory in this one, if it is there.
    pub(crate) fn existing(&self, name: &str) -> Result<Option<Self>, LocalFileError> {
        match fs::symlink_metadata(self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => self.inner(name).map(Some),
        }
    }

    /// The names in the directory that end like this, in their order.
    pub(crate) fn names(&self, ending: &str) -> Result<Vec<String>, LocalFileError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(LocalFileError::io(&self.0))? {
            let name = entry.map_err(LocalFileError::io(&self.0))?.file_name();
            names.extend(name.into_string().ok().filter(|name| name.ends_with(ending)));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Reads a file; `None` if it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, LocalFileError> {
        let path = self.0.join(name);
        let mut file = match open_no_follow(OpenOptions::new().read(true), &path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(or_symlink(&path, error)),
        };
        let found = file.metadata().map_err(LocalFileError::io(&path))?;
        if !found.is_file() {
            return Err(LocalFileError::OtherKind(path));
        }
        check_access(&path, &found, "600")?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(LocalFileError::io(&path))?;
        Ok(Some(bytes))
    }

    /// Writes a file: whoever reads it finds all of the old or all of the new, whatever happens to this process or this machine.
    /// The caller holds the [lock](Self::lock).
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), LocalFileError> {
        let path = self.0.join(name);
        let temporary = self.0.join(format!("{name}.tmp"));
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            return Err(LocalFileError::Symlink(path));
        }
        // What a process left that was killed; nobody else writes while the lock is held.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(LocalFileError::Io { path: temporary, source: error });
            }
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| fs::rename(&temporary, &path));
        if let Err(source) = renamed {
            let _ = fs::remove_file(&temporary);
            return Err(LocalFileError::Io { path, source });
        }
        self.sync()
    }

    /// When a file was written last; `None` if nobody knows.
    pub(crate) fn modified(&self, name: &str) -> Option<SystemTime> {
        fs::symlink_metadata(self.0.join(name)).and_then(|found| found.modified()).ok()
    }

    /// Removes a file, and says whether it was there.
    pub(crate) fn remove(&self, name: &str) -> Result<bool, LocalFileError> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Ok(()) => self.sync().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(LocalFileError::Io { path, source }),
        }
    }

    /// Makes what was renamed or removed last beyond a power failure.
    fn sync(&self) -> Result<(), LocalFileError> {
        #[cfg(unix)]
        File::open(&self.0).and_then(|dir| dir.sync_all()).map_err(LocalFileError::io(&self.0))?;
        Ok(())
    }

    /// Locks the directory for this process, and waits this long for another to be done.
    pub(crate) fn lock(&self, limit: Duration) -> Result<DirLock, LocalFileError> {
        let path = self.0.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = open_no_follow(&mut options, &path).map_err(|error| or_symlink(&path, error))?;
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            match FileExt::try_lock(&file) {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < limit => {
                    thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    let holder = holder.chars().filter(char::is_ascii_digit).take(20).collect();
                    return Err(LocalFileError::Locked { path, holder });
                }
                Err(TryLockError::Error(source)) => return Err(LocalFileError::Io { path, source }),
            }
        }
        // For whoever waits in vain. Nothing depends on it.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(DirLock(file))
    }
}

fn open_no_follow(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // Not blocking, should it be a pipe.
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags);
    }
    options.open(path)
}

/// The error for a file that could not be opened, which may be because a link is there.
fn or_symlink(path: &Path, source: io::Error) -> LocalFileError {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => LocalFileError::Symlink(path.to_owned()),
        _ => LocalFileError::Io { path: path.to_owned(), source },
    }
}

/// Whether this user alone has the file or the directory. Root could read those of others too, and would then take what they put there.
#[cfg(unix)]
fn check_access(path: &Path, found: &fs::Metadata, wanted: &'static str) -> Result<(), LocalFileError> {
    use std::os::unix::fs::MetadataExt;

    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    if owner != rustix::process::geteuid().as_raw() {
        return Err(LocalFileError::OtherOwner { path: path.to_owned(), owner });
    }
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(LocalFileError::Open { path: path.to_owned(), mode, wanted }),
    }
}

/// Windows gives a user's own folders to that user alone.
#[cfg(not(unix))]
fn check_access(_path: &Path, _found: &fs::Metadata, _wanted: &'static str) -> Result<(), LocalFileError> {
    Ok(())
}
