//! The emulator's faults, as the page offers them.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use oauth_emulator::{BadSignature, Emulator, Fault};

/// A fault that can be chosen on the page.
pub(crate) struct Choice {
    /// Its name in the form.
    pub(crate) name: &'static str,
    /// What goes wrong, in words.
    pub(crate) label: &'static str,
    fault: Fault,
}

/// What can be chosen: at the sign-in, in the replies, about the user.
pub(crate) const CHOICES: &[Choice] = &[
    Choice::new("deny", "the user refuses, whatever is pressed", Fault::Deny),
    Choice::new("expired-code", "authorization codes have expired", Fault::ExpiredCode),
    Choice::new("wrong-state", "the callback has another state", Fault::WrongState),
    Choice::new("wrong-issuer", "ID token and callback name another issuer", Fault::WrongIssuer),
    Choice::new(
        "forged-id-token",
        "ID tokens are signed by somebody else",
        Fault::BadSignature(BadSignature::ForeignKey),
    ),
    Choice::new("rotate-keys", "the signing keys change all the time", Fault::RotateKeys),
    Choice::new("slow", "replies take three seconds longer", Fault::Slow(Duration::from_secs(3))),
    Choice::new(
        "too-many-requests",
        "replies are 429: too many requests",
        Fault::TooManyRequests { retry_after: Duration::from_secs(30) },
    ),
    Choice::new("server-error", "replies are 500: server error", Fault::ServerError),
    Choice::new("html-error", "replies are a proxy's error page", Fault::HtmlErrorPage),
    Choice::new("empty-body", "replies have no body", Fault::EmptyBody),
    Choice::new("truncated-json", "replies end in the middle", Fault::TruncatedJson),
    Choice::new("invalid-utf8", "replies hold damaged text", Fault::InvalidUtf8),
    Choice::new("reset", "the connection breaks in each reply", Fault::ResetMidBody),
    Choice::new("redirect", "the token endpoint redirects to another host", Fault::Redirect),
    Choice::new("unverified-email", "the e-mail address is not verified", Fault::UnverifiedEmail),
    Choice::new("no-email", "the user has no e-mail address", Fault::NoEmail),
];

impl Choice {
    const fn new(name: &'static str, label: &'static str, fault: Fault) -> Self {
        Self { name, label, fault }
    }
}

/// The faults that are switched on: provider and choice.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<(String, &'static Choice)>>);

impl Faults {
    pub(crate) fn all(&self) -> Vec<(String, &'static Choice)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Switches a fault on, or off again. Says whether there is such a fault at such a provider.
    pub(crate) fn switch(&self, emulator: &Emulator, provider: &str, name: &str, on: bool) -> bool {
        let Some(choice) = CHOICES.iter().find(|choice| choice.name == name) else { return false };
        if emulator.apps(provider).is_err() {
            return false;
        }
        let mut active = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        active.retain(|(other, chosen)| (&**other, chosen.name) != (provider, name));
        if on {
            active.push((provider.to_owned(), choice));
        }
        // The emulator can only clear all of them at once.
        emulator.clear_faults();
        active.iter().all(|(provider, choice)| emulator.fault(provider, choice.fault.clone()).is_ok())
    }
}
