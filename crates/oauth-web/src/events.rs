//! Events of `tracing`, and the counter of sign-ins. None contains a code, a token or a cookie.

use std::error::Error as StdError;

use http::StatusCode;
use oauth_core::{
    Error, LinkIntent,
    telemetry::{EVENT_NAME, event},
};

use crate::{
    error::{SignInError, SignInErrorKind},
    origin::{Origin, SiteAddress, is_exposed},
};

pub(crate) const FRONT_CHANNEL_LOGOUT: &str = "frontchannel-logout";

/// Whether nobody knows if a logout token is genuine: what verifies it could not be fetched.
fn is_not_verified(kind: &SignInErrorKind) -> bool {
    matches!(kind, SignInErrorKind::LogoutFailed { .. })
        && kind.source().is_some_and(|cause| cause.is::<Error>())
}

/// A refusal. Text from outside is escaped, so that it cannot forge a line of the log.
pub(crate) fn refused(route: &'static str, error: &SignInError) {
    // Paths may be long.
    let provider: String = error.provider().chars().take(64).collect();
    let (status, reason) = (error.status().as_u16(), error.to_string());
    // Such as the error of the application's own function. Others say in the reason what caused them.
    let cause = error.kind().source().map(ToString::to_string).filter(|cause| !reason.contains(&**cause));
    let is_fault = error.status() == StatusCode::INTERNAL_SERVER_ERROR;
    let is_logout = matches!(error.kind(), SignInErrorKind::Logout { .. }) || route == FRONT_CHANNEL_LOGOUT;
    // A forged token comes as far as this while the provider cannot be reached: whoever sends it must not raise an alarm.
    if is_not_verified(error.kind()) {
        tracing::warn!(
            { EVENT_NAME } = event::LOGOUT_FAILED,
            route,
            ?provider,
            status,
            ?reason,
            ?cause,
            "logout could not be verified"
        );
        return;
    }
    if matches!(error.kind(), SignInErrorKind::LogoutFailed { .. }) || (is_logout && is_fault) {
        tracing::error!(
            { EVENT_NAME } = event::LOGOUT_FAILED,
            route,
            ?provider,
            status,
            ?reason,
            ?cause,
            "logout failed"
        );
        return;
    }
    if is_logout {
        tracing::warn!(
            { EVENT_NAME } = event::LOGOUT_REFUSED,
            route,
            ?provider,
            status,
            ?reason,
            ?cause,
            "logout refused"
        );
        return;
    }
    #[cfg(feature = "metrics")]
    count_refusal(&provider, error);
    if error.is_denied() {
        tracing::info!(
            { EVENT_NAME } = event::SIGN_IN_DENIED,
            route,
            ?provider,
            status,
            ?reason,
            "the user did not allow the sign-in"
        );
    } else if is_fault {
        tracing::error!(
            { EVENT_NAME } = event::SIGN_IN_FAILED,
            route,
            ?provider,
            status,
            ?reason,
            ?cause,
            "sign-in failed"
        );
    } else {
        tracing::warn!(
            { EVENT_NAME } = event::SIGN_IN_REFUSED,
            route,
            ?provider,
            status,
            ?reason,
            ?cause,
            "sign-in refused"
        );
    }
}

/// A sign-in began.
pub(crate) fn begun(route: &'static str, provider: &str) {
    #[cfg(feature = "metrics")]
    count(provider, "begun");
    tracing::debug!({ EVENT_NAME } = event::SIGN_IN_BEGUN, route, provider, "sign-in begun");
}

/// Somebody signed in.
pub(crate) fn signed_in(provider: &str, intent: &LinkIntent<String>) {
    if matches!(intent, LinkIntent::LinkTo(_)) {
        #[cfg(feature = "metrics")]
        count(provider, "linked");
        tracing::debug!({ EVENT_NAME } = event::SIGN_IN_LINKED, provider, "signed in to link");
    } else {
        #[cfg(feature = "metrics")]
        count(provider, "completed");
        tracing::debug!({ EVENT_NAME } = event::SIGN_IN_COMPLETED, provider, "signed in");
    }
}

/// A provider reported that a session has ended.
#[cfg(feature = "openid")]
pub(crate) fn logout_received(route: &'static str, provider: &str) {
    let provider: String = provider.chars().take(64).collect();
    tracing::debug!({ EVENT_NAME } = event::LOGOUT_RECEIVED, route, ?provider, "logout received");
}

#[cfg(feature = "metrics")]
fn count_refusal(provider: &str, error: &SignInError) {
    // Anybody can write a name into the path, and each would be a series of its own.
    let is_unknown = matches!(error.kind(), SignInErrorKind::UnknownProvider | SignInErrorKind::Resolve(_));
    let provider = if is_unknown { "unknown" } else { provider };
    let outcome = if error.is_denied() {
        "denied"
    } else if error.status() == StatusCode::INTERNAL_SERVER_ERROR {
        "failed"
    } else {
        "refused"
    };
    count(provider, outcome);
}

#[cfg(feature = "metrics")]
fn count(provider: &str, outcome: &'static str) {
    let labels = [("provider", provider.to_owned()), ("outcome", outcome.to_owned())];
    metrics::counter!(oauth_core::telemetry::metric::SIGN_INS, &labels).increment(1);
}

/// A setting that loosens security.
pub(crate) fn configured(origin: &Origin) {
    match origin {
        Origin::Proxy(headers) => tracing::warn!(
            { EVENT_NAME } = event::SETTING_LOOSENED,
            ?headers,
            "redirect URIs are derived from forwarded headers: make sure that a proxy sets them on every request, and that nobody can bypass it"
        ),
        Origin::Fixed(address) if is_exposed(address) => tracing::warn!(
            { EVENT_NAME } = event::SETTING_LOOSENED,
            ?address,
            "this site does not use https: others on the network can read cookies and codes"
        ),
        Origin::Fixed(_) | Origin::Host => {}
    }
}

/// The scheme of this site was guessed.
pub(crate) fn guessed(site: &SiteAddress) {
    tracing::warn!(
        { EVENT_NAME } = event::SETTING_LOOSENED,
        address = ?site.address,
        "guessed the address of this site from the Host header; if it is wrong, or plain http, set it with SignIn::at"
    );
}

/// A callback of [`OAuth2AuthorizeCallback`](crate::OAuth2AuthorizeCallback) produced no token.
pub(crate) fn callback_refused(provider: &str, status: StatusCode, error: &dyn StdError) {
    tracing::warn!({ EVENT_NAME } = event::SIGN_IN_REFUSED, provider, status = status.as_u16(), reason = ?error.to_string(), "callback refused");
}

/// A vendor's message was not accepted, or could not be handled.
#[cfg(feature = "signals")]
pub(crate) fn signal_refused(provider: &str, status: StatusCode, error: &oauth_core::SignalError) {
    use oauth_core::SignalError::{NotHandled, Unavailable};

    let (status, reason) = (status.as_u16(), error.to_string());
    if matches!(error, NotHandled(_) | Unavailable(_)) {
        tracing::error!(
            { EVENT_NAME } = event::SIGNAL_REFUSED,
            provider,
            status,
            ?reason,
            "signal not handled"
        );
    } else {
        tracing::warn!({ EVENT_NAME } = event::SIGNAL_REFUSED, provider, status, ?reason, "signal refused");
    }
}

/// A signal was handled by the application.
#[cfg(feature = "signals")]
pub(crate) fn signal_handled(provider: &str, kind: &str) {
    tracing::info!({ EVENT_NAME } = event::SIGNAL_HANDLED, provider, kind = ?kind, "signal handled");
}

/// A message came that was handled before.
#[cfg(feature = "signals")]
pub(crate) fn signal_repeated(provider: &str) {
    tracing::debug!({ EVENT_NAME } = event::SIGNAL_REPEATED, provider, "signal repeated");
}

#[cfg(test)]
mod tests {
    use oauth_core::Error;
    use tracing::Level;

    use super::*;
    use crate::{
        sign_in::SignIn,
        testing::{logged, ready, request, sealer, sign_in},
    };

    fn error(kind: SignInErrorKind) -> SignInError {
        SignInError::new(kind, "acme", None, None)
    }

    #[test]
    fn a_refusal_is_logged_by_whose_fault_it_is() {
        let not_verified = || SignInErrorKind::LogoutFailed {
            problem: "the logout token could not be verified",
            cause: Error::configuration("acme", "there are no keys").into(),
        };
        let logout = || SignInErrorKind::Logout { problem: "the logout token is not valid", cause: None };
        let not_ended = || SignInErrorKind::LogoutFailed {
            problem: "the session could not be ended",
            cause: "the database is down".into(),
        };
        let misconfigured = || SignInErrorKind::Login(Error::configuration("acme", "no secret"));
        for (route, kind, name, level) in [
            ("backchannel-logout", logout(), event::LOGOUT_REFUSED, Level::WARN),
            ("backchannel-logout", not_ended(), event::LOGOUT_FAILED, Level::ERROR),
            ("backchannel-logout", not_verified(), event::LOGOUT_FAILED, Level::WARN),
            (FRONT_CHANNEL_LOGOUT, SignInErrorKind::UnknownProvider, event::LOGOUT_REFUSED, Level::WARN),
            (
                FRONT_CHANNEL_LOGOUT,
                SignInErrorKind::Resolve("down".into()),
                event::LOGOUT_FAILED,
                Level::ERROR,
            ),
            ("callback", SignInErrorKind::NoAttempt, event::SIGN_IN_REFUSED, Level::WARN),
            ("callback", misconfigured(), event::SIGN_IN_FAILED, Level::ERROR),
            ("callback", SignInErrorKind::Store("down".into()), event::SIGN_IN_FAILED, Level::ERROR),
        ] {
            let error = error(kind);
            assert_eq!(logged(|| refused(route, &error)), [(name.to_owned(), level)], "{route} {error}");
        }
    }

    #[test]
    fn what_went_well_is_logged_too() {
        let (own, linked) = (LinkIntent::SignIn, LinkIntent::LinkTo("ada".to_owned()));
        let all = logged(|| {
            begun("login", "acme");
            signed_in("acme", &own);
            signed_in("acme", &linked);
            #[cfg(feature = "openid")]
            logout_received("backchannel-logout", "acme");
            #[cfg(feature = "signals")]
            signal_handled("acme", "token_revoked");
            #[cfg(feature = "signals")]
            signal_repeated("acme");
        });
        let expected = [
            (event::SIGN_IN_BEGUN, Level::DEBUG),
            (event::SIGN_IN_COMPLETED, Level::DEBUG),
            (event::SIGN_IN_LINKED, Level::DEBUG),
            #[cfg(feature = "openid")]
            (event::LOGOUT_RECEIVED, Level::DEBUG),
            #[cfg(feature = "signals")]
            (event::SIGNAL_HANDLED, Level::INFO),
            #[cfg(feature = "signals")]
            (event::SIGNAL_REPEATED, Level::DEBUG),
        ];
        assert_eq!(all, expected.map(|(name, level)| (name.to_owned(), level)));
    }

    #[test]
    fn a_guessed_address_is_told_once_and_at_the_first_request() {
        let derived = SignIn::new(sealer());
        let told = |host| {
            let request = request("GET", "/auth/acme/login", &[("host", host)]);
            logged(|| drop(derived.address(&request)))
        };
        assert_eq!(told("localhost:3000"), []);
        assert_eq!(told("app.example"), [(event::SETTING_LOOSENED.to_owned(), Level::WARN)]);
        assert_eq!(told("app.example"), []);
        let request = request("GET", "/auth/acme/login", &[]);
        let begun = logged(|| drop(ready(sign_in().login(&request))));
        assert_eq!(begun, [(event::SIGN_IN_BEGUN.to_owned(), Level::DEBUG)]);
    }

    #[cfg(feature = "metrics")]
    #[test]
    fn sign_ins_are_counted_by_their_outcome_and_unknown_names_as_one() {
        use std::sync::Mutex;

        use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

        #[derive(Default)]
        struct Counted(Mutex<Vec<String>>);

        impl Recorder for Counted {
            fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

            fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

            fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

            fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
                let labels: Vec<_> = key.labels().map(metrics::Label::value).collect();
                self.0.lock().unwrap().push(labels.join(" "));
                Counter::noop()
            }

            fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
                Gauge::noop()
            }

            fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
                Histogram::noop()
            }
        }

        let counted = Counted::default();
        metrics::with_local_recorder(&counted, || {
            begun("login", "acme");
            signed_in("acme", &LinkIntent::SignIn);
            signed_in("acme", &LinkIntent::LinkTo("ada".to_owned()));
            refused("callback", &error(SignInErrorKind::NoAttempt));
            refused("callback", &error(SignInErrorKind::Login(Error::configuration("acme", "no secret"))));
            refused("callback", &error(SignInErrorKind::Store("down".into())));
            refused("login", &error(SignInErrorKind::UnknownProvider));
        });
        assert_eq!(
            *counted.0.lock().unwrap(),
            [
                "acme begun",
                "acme completed",
                "acme linked",
                "acme refused",
                "acme failed",
                "acme failed",
                "unknown refused"
            ]
        );
    }
}
