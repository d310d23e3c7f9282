//! Records in files of one folder, encrypted.

use std::{
    fmt, fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use oauth_core::{Sealer, Secret, async_trait, provider_kit::hmac_sha256_hex, random_token};

use crate::records::{RecordError, Records};

/// What seals a record cannot open one that was sealed for something else.
const CONTEXT: &str = "oauth-mcp record ";

/// Records in a folder of this user's: one file each, encrypted, and written at once or not at all. Several processes can share it.
///
/// On Unix, the folder is for this user alone (0700), and so are the files (0600). A folder that others own, read or change, and a link in
/// its place, are errors.
#[derive(Clone)]
pub struct FileRecords {
    folder: PathBuf,
    sealer: Arc<Sealer>,
}

impl FileRecords {
    /// Uses this folder, which is made when the first record is written. The sealer's key is kept elsewhere, such as in the keyring.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, sealer: Sealer) -> Self {
        Self { folder: folder.into(), sealer: Arc::new(sealer) }
    }

    /// A key can have characters that a file's name cannot.
    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(hmac_sha256_hex(CONTEXT, key))
    }

    /// Does some work with files where it holds up nobody.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        let own = self.clone();
        tokio::task::spawn_blocking(move || work(own)).await?
    }

    fn read(&self, key: &str) -> Result<Option<Secret>, RecordError> {
        check_folder(&self.folder)?;
        let sealed = match fs::read(self.path(key)) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.at(&error)),
        };
        let opened = self.sealer.open_bytes(&sealed, context(key).as_bytes());
        let opened = opened
            .map_err(|error| format!("a record in {} cannot be read: {error}", self.folder.display()))?;
        Ok(Some(Secret::new(String::from_utf8(opened.plain.to_vec())?)))
    }

    fn write(&self, key: &str, value: &Secret) -> Result<(), RecordError> {
        let sealed = self.sealer.seal_bytes(value.expose().as_bytes(), context(key).as_bytes())?;
        make_folder(&self.folder).map_err(|error| self.at(&error))?;
        check_folder(&self.folder)?;
        let path = self.path(key);
        let unfinished = self.folder.join(format!("{}.new", random_token()?));
        let written = write_new(&unfinished, &sealed).and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|error| {
            // What is left of it is of no use to anybody.
            let _ = fs::remove_file(&unfinished);
            self.at(&error)
        })
    }

    fn at(&self, error: &io::Error) -> RecordError {
        format!("{}: {error}", self.folder.display()).into()
    }
}

fn context(key: &str) -> String {
    format!("{CONTEXT}{key}")
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Whoever can write into the folder can put an old record in the place of a new one.
fn check_folder(folder: &Path) -> Result<(), RecordError> {
    let Ok(found) = fs::symlink_metadata(folder) else { return Ok(()) };
    if !found.is_dir() {
        return Err(format!("{} is not a folder; remove it, or name another one", folder.display()).into());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let (owner, mode) = (found.uid(), found.mode() & 0o7777);
        let folder = folder.display();
        // Root could read the folder of somebody else too, and would take what they put there.
        if owner != rustix::process::geteuid().as_raw() {
            return Err(format!(
                "{folder} belongs to another user (number {owner}); run this program as that user, or name another folder"
            )
            .into());
        }
        if mode & 0o077 != 0 {
            return Err(format!(
                "{folder} can be read or changed by other users (mode {mode:o}); run `chmod 700 {folder}`"
            )
            .into());
        }
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[async_trait]
impl Records for FileRecords {
    async fn load(&self, key: &str) -> Result<Option<Secret>, RecordError> {
        let key = key.to_owned();
        self.work(move |own| own.read(&key)).await
    }

    async fn save(&self, key: &str, value: Secret) -> Result<(), RecordError> {
        let key = key.to_owned();
        self.work(move |own| own.write(&key, &value)).await
    }

    async fn remove(&self, key: &str) -> Result<(), RecordError> {
        let key = key.to_owned();
        self.work(move |own| match fs::remove_file(own.path(&key)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(own.at(&error)),
            _ => Ok(()),
        })
        .await
    }
}

impl fmt::Debug for FileRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRecords").field("folder", &self.folder).finish_non_exhaustive()
    }
}
