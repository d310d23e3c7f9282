//! Ctrl-C at every step.

use std::{
    io,
    process::exit,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{exit::Failure, output::Output, signal::ExitSignal};

/// The signals that come from now on.
pub(crate) struct ExitSignals {
    first: oneshot::Receiver<ExitSignal>,
    is_heard: Arc<AtomicBool>,
}

/// How long the command may take to notice a signal.
const NOTICED_WITHIN: Duration = Duration::from_millis(300);

/// Watches for signals in a task of its own: a command that reads standard input, or waits for the program that prints a secret, holds
/// its thread, and would hear of no signal. Such a command has nothing half done, so the program ends at once.
pub(crate) fn watch(output: Output) -> io::Result<ExitSignals> {
    let (send, first) = oneshot::channel();
    let is_heard = Arc::new(AtomicBool::new(false));
    let mut next = NextSignal::new()?;
    let heard = Arc::clone(&is_heard);
    tokio::spawn(async move {
        let signal = next.signal().await;
        let _ = send.send(signal);
        tokio::time::sleep(NOTICED_WITHIN).await;
        if heard.load(Ordering::SeqCst) {
            // Whoever presses Ctrl-C again does not want to wait for anything.
            next.signal().await;
        }
        output.failure(&Failure::Interrupted(signal));
        exit(signal.exit_code().into());
    });
    Ok(ExitSignals { first, is_heard })
}

impl ExitSignals {
    /// Waits for the first signal.
    pub(crate) async fn first(&mut self) -> ExitSignal {
        match (&mut self.first).await {
            Ok(signal) => {
                self.is_heard.store(true, Ordering::SeqCst);
                signal
            }
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
struct NextSignal {
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl NextSignal {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn signal(&mut self) -> ExitSignal {
        tokio::select! {
            _ = self.interrupt.recv() => ExitSignal::Interrupt,
            _ = self.hang_up.recv() => ExitSignal::HangUp,
            _ = self.terminate.recv() => ExitSignal::Terminate,
        }
    }
}

#[cfg(not(unix))]
struct NextSignal;

#[cfg(not(unix))]
impl NextSignal {
    #[expect(clippy::unnecessary_wraps, reason = "it can fail on Unix")]
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn signal(&mut self) -> ExitSignal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => ExitSignal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}
