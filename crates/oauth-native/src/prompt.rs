use std::{
    fmt,
    io::{self, BufRead, IsTerminal, Write},
    sync::Mutex,
    time::Duration,
};

use oauth_core::{DeviceLogin, async_trait};
use tokio::sync::oneshot;

/// Talks to the user of a program while they sign in.
///
/// [`Terminal`] does it on standard error. Implement it for a program with windows of its own, or for a test.
#[async_trait]
pub trait Prompt: fmt::Debug + Send + Sync {
    /// Tells the user something. What a notice holds of the provider's is text that the provider chose.
    fn tell(&self, notice: &Notice<'_>);

    /// Reads a line that the user pastes; `None` when no more will come.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being read.
    async fn read_line(&self) -> io::Result<Option<String>>;

    /// Whether somebody can paste something. By default nobody can.
    fn can_read(&self) -> bool {
        false
    }

    /// Whether a QR code made of characters can be shown. By default it cannot.
    fn shows_qr(&self) -> bool {
        false
    }
}

/// What a user is told during a sign-in. `Display` is the sentence for a terminal.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// The address to open. It is told before a browser is tried.
    OpenUrl {
        /// The authorization URL. It holds what binds the login, so it belongs in no log.
        url: &'a str,
    },
    /// No browser could be opened.
    NoBrowser {
        /// Why not.
        reason: String,
    },
    /// The browser is on the other side of an SSH connection, and this is how it could reach the listener.
    ForwardPort {
        /// The port of the redirect URI.
        port: u16,
    },
    /// The address of the last page, the one that may not load, can be pasted.
    Paste,
    /// What was pasted is not the end of this sign-in; another line is waited for.
    NotThis {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A code to type in on another device.
    DeviceCode {
        /// The login.
        login: &'a DeviceLogin,
        /// Its address as a QR code for a terminal, where one fits.
        qr: Option<String>,
    },
    /// The provider could not be reached, or wants to be asked less often. It is asked again.
    StillWaiting {
        /// The time between two questions, as it is now.
        interval: Duration,
    },
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenUrl { url } => write!(f, "To sign in, open this address in a browser:\n\n  {url}\n"),
            Self::NoBrowser { reason } => write!(f, "{reason}; open the address yourself."),
            Self::ForwardPort { port } => write!(
                f,
                "This is a remote machine. Forward the port with `ssh -L {port}:127.0.0.1:{port} …`, or paste the address as \
                 described below."
            ),
            Self::Paste => f.write_str(
                "Sign in there. If the last page does not load, copy its whole address from the browser, paste it here and press \
                 Enter.",
            ),
            Self::NotThis { reason } => write!(f, "{reason} Paste the whole address of the last page."),
            Self::DeviceCode { login, qr } => {
                let code = grouped(&login.user_code);
                write!(f, "To sign in, open {} and enter the code\n\n  {code}\n", login.verification_uri)?;
                if let Some(qr) = qr {
                    write!(f, "\nOr scan this, and check that the page shows the same code:\n\n{qr}\n")?;
                }
                Ok(())
            }
            Self::StillWaiting { interval } => {
                write!(f, "Still waiting; asking again every {} s.", interval.as_secs())
            }
        }
    }
}

/// A code as people read it out: in groups of four, unless the provider grouped it itself.
fn grouped(code: &str) -> String {
    if code.len() < 8 || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return code.to_owned();
    }
    let characters: Vec<char> = code.chars().collect();
    characters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// Talks on standard error, and reads what is pasted from standard input, if that is a terminal. Standard output is the program's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal;

/// The line that is being read, should a sign-in have ended before somebody pressed Enter: there is one reader of standard input.
static READING: Mutex<Option<oneshot::Receiver<io::Result<Option<String>>>>> = Mutex::new(None);

#[async_trait]
impl Prompt for Terminal {
    fn tell(&self, notice: &Notice<'_>) {
        // A program without standard error goes on.
        let _ = writeln!(io::stderr().lock(), "{notice}");
    }

    async fn read_line(&self) -> io::Result<Option<String>> {
        let kept = READING.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let mut line = match kept {
            Some(line) => Kept(Some(line)),
            None => {
                let (send, line) = oneshot::channel();
                // A thread that the runtime does not wait for when the program ends.
                std::thread::Builder::new().name("sign-in input".to_owned()).spawn(move || {
                    let mut text = String::new();
                    let read = io::stdin().lock().read_line(&mut text);
                    let _ = send.send(read.map(|bytes| (bytes > 0).then_some(text)));
                })?;
                Kept(Some(line))
            }
        };
        match &mut line.0 {
            Some(receiver) => {
                let read = receiver.await;
                line.0 = None;
                read.unwrap_or_else(|_| Err(io::Error::other("the reader of standard input ended")))
            }
            None => Ok(None),
        }
    }

    fn can_read(&self) -> bool {
        io::stdin().is_terminal()
    }

    fn shows_qr(&self) -> bool {
        let speaks_utf8 = cfg!(not(unix))
            || ["LC_ALL", "LC_CTYPE", "LANG"]
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
                .is_some_and(|locale| {
                    let locale = locale.to_ascii_lowercase();
                    locale.contains("utf-8") || locale.contains("utf8")
                });
        io::stderr().is_terminal() && speaks_utf8
    }
}

/// Puts a line that nobody waits for any more back, for the next sign-in.
struct Kept(Option<oneshot::Receiver<io::Result<Option<String>>>>);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            *READING.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(line);
        }
    }
}
