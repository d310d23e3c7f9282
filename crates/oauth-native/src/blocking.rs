//! For programs without `async`: every procedure of this library can be waited for.
//!
//! ```no_run
//! use oauth_core::{ClientSecret, OAuth2, Provider};
//! use oauth_native::{SignInOptions, blocking, sign_in};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let waiter = blocking::waiter()?;
//!     let client = OAuth2::new("CLIENT_ID", ClientSecret::NONE, "https://as.example/authorize", "https://as.example/token")
//!         .with_profile_endpoint("https://as.example/me");
//!     let login = waiter.wait(sign_in(&client, SignInOptions::new()))?;
//!     let user = waiter.wait(client.get_identity(&login.token))?;
//!     println!("signed in as {}", user.subject);
//!     Ok(())
//! }
//! ```

use std::{
    future::Future,
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use tokio::runtime::{Builder, Runtime};

/// Waits for the futures of this library, on one runtime that the program shares. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Waiter(Arc<Runtime>);

static SHARED: Mutex<Option<Waiter>> = Mutex::new(None);

/// The program's waiter, which is made when it is first asked for.
///
/// # Errors
///
/// When the operating system has no thread or no socket to give.
pub fn waiter() -> io::Result<Waiter> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*shared {
        Some(waiter) => Ok(waiter.clone()),
        None => {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("oauth-native")
                .enable_all()
                .build()?;
            let waiter = Waiter(Arc::new(runtime));
            *shared = Some(waiter.clone());
            Ok(waiter)
        }
    }
}

impl Waiter {
    /// Waits until the future is done, in the calling thread. Called from `async` code, it keeps a thread of that from working.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        let _runtime = self.0.enter();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }
}

/// Goes on in a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
