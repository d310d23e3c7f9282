//! A device login as a stream of states (RFC 8628).

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use futures_util::stream;
use oauth_core::{DeviceLogin, DeviceState, Error, Login, LoginOptions, OffsetDateTime, Provider};

/// The state of a device login, for a program that shows it in its own way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DeviceProgress {
    /// The provider has given a code: show it. It comes once, and first.
    Asked(DeviceCode),
    /// The user has not decided yet.
    Waiting,
    /// The provider wants to be asked less often: this long from now on.
    SlowedDown(Duration),
    /// The provider could not be reached, or could not answer. It is asked again, and nothing is lost.
    Unreachable(Error),
    /// The user has agreed, and everything was checked. It is the last state.
    Approved(Box<Login>),
}

/// What to show the user of a device login.
///
/// It is text that the provider chose, without control characters; the addresses are https or of this machine.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeviceCode {
    /// The code that the user types in at [`verification_uri`](Self::verification_uri).
    pub user_code: String,
    /// The page that the user opens on any device.
    pub verification_uri: String,
    /// The address of that page with the code already in it, for a [QR code](crate::qr_code). Show the code beside it, so that the user can compare.
    pub verification_uri_complete: Option<String>,
    /// When the code expires.
    pub expires_at: OffsetDateTime,
}

/// A device login as a stream: first the code to show, then the state after each poll, and at the end the login or an error.
///
/// The stream does nothing until it is asked for its next item, and asks the provider no more once it is dropped. After
/// [`DeviceProgress::Approved`] or an error it ends.
///
/// ```
/// use oauth_core::{Login, LoginOptions, Provider};
/// use oauth_native::{DeviceProgress, DeviceStates};
///
/// async fn sign_in(provider: &dyn Provider) -> oauth_core::Result<Option<Login>> {
///     let mut states = DeviceStates::begin(provider, LoginOptions::new());
///     while let Some(state) = states.next().await {
///         match state? {
///             DeviceProgress::Asked(code) => println!("Open {} and enter {}", code.verification_uri, code.user_code),
///             DeviceProgress::SlowedDown(interval) => println!("asking every {} s now", interval.as_secs()),
///             DeviceProgress::Unreachable(error) => println!("{error}; trying again"),
///             DeviceProgress::Approved(login) => return Ok(Some(*login)),
///             _ => println!("waiting for you"),
///         }
///     }
///     Ok(None)
/// }
/// ```
pub struct DeviceStates<'p>(Pin<Box<dyn Stream<Item = Result<DeviceProgress, Error>> + Send + 'p>>);

/// What the next item takes.
enum Next {
    Ask(Box<LoginOptions>),
    Show(Box<DeviceLogin>),
    Poll(Box<DeviceLogin>),
    End,
}

impl<'p> DeviceStates<'p> {
    /// A login that asks for a code when the first item is asked for.
    #[must_use]
    pub fn begin<P: Provider + ?Sized>(provider: &'p P, options: LoginOptions) -> Self {
        Self::from(provider, Next::Ask(Box::new(options)))
    }

    /// A login that has begun already, such as one with a timer of its own ([`DeviceLogin::with_polling`]).
    #[must_use]
    pub fn of<P: Provider + ?Sized>(provider: &'p P, login: DeviceLogin) -> Self {
        Self::from(provider, Next::Show(Box::new(login)))
    }

    fn from<P: Provider + ?Sized>(provider: &'p P, next: Next) -> Self {
        Self(Box::pin(stream::try_unfold(next, move |next| advance(provider, next))))
    }

    /// The next state; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<DeviceProgress, Error>> {
        poll_fn(|context| self.0.as_mut().poll_next(context)).await
    }
}

impl Stream for DeviceStates<'_> {
    type Item = Result<DeviceProgress, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

async fn advance<P: Provider + ?Sized>(
    provider: &P,
    next: Next,
) -> Result<Option<(DeviceProgress, Next)>, Error> {
    let login = match next {
        Next::Ask(options) => Box::new(provider.start_device_login(*options).await?),
        Next::Show(login) => login,
        Next::Poll(mut login) => {
            let progress = match provider.poll_device_login(&mut login).await? {
                DeviceState::SlowedDown(interval) => DeviceProgress::SlowedDown(interval),
                DeviceState::Failed(error) => DeviceProgress::Unreachable(error),
                DeviceState::Done(done) => return Ok(Some((DeviceProgress::Approved(done), Next::End))),
                _ => DeviceProgress::Waiting,
            };
            return Ok(Some((progress, Next::Poll(login))));
        }
        Next::End => return Ok(None),
    };
    let code = DeviceCode {
        user_code: login.user_code.clone(),
        verification_uri: login.verification_uri.clone(),
        verification_uri_complete: login.verification_uri_complete.clone(),
        expires_at: login.expires_at,
    };
    Ok(Some((DeviceProgress::Asked(code), Next::Poll(login))))
}

impl fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever has the code can have the user's device signed in as somebody else.
        f.debug_struct("DeviceCode")
            .field("verification_uri", &self.verification_uri)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DeviceStates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceStates").finish_non_exhaustive()
    }
}
