//! Every failure in words: what happened, what it means, what to do.

use std::time::Duration;

use oauth_clients::{Error, ErrorClass, ErrorKind, LoginError, Operation, SealError};
use oauth_web_axum::{SignInError, SignInErrorKind};

/// A failure in words.
#[derive(Clone, Debug)]
pub(crate) struct Explanation {
    pub(crate) title: String,
    pub(crate) happened: String,
    pub(crate) means: String,
    pub(crate) to_do: String,
    /// Name and value. Servers and strangers chose some of the values: they are escaped like everything on a page.
    pub(crate) details: Vec<(&'static str, String)>,
    /// The provider at which to try again, where trying again can help.
    pub(crate) retry_at: Option<String>,
    /// Whether it is nobody's failure: the user said no.
    pub(crate) is_choice: bool,
}

/// What providers call a user's no: RFC 6749 section 4.1.2.1, Apple and LinkedIn.
const DENIED: &[&str] = &["access_denied", "user_cancelled_authorize", "user_cancelled_login"];

const AGAIN: &str = "Start the sign-in again.";

impl Explanation {
    fn new(title: &str, happened: &str, means: &str, to_do: &str) -> Self {
        Self {
            title: title.to_owned(),
            happened: happened.to_owned(),
            means: means.to_owned(),
            to_do: to_do.to_owned(),
            details: Vec::new(),
            retry_at: None,
            is_choice: false,
        }
    }

    /// A page that does not exist.
    pub(crate) fn of_unknown_page() -> Self {
        Self::new(
            "There is no such page",
            "The address names no page of this site.",
            "Most likely it was mistyped, or comes from an older version of the demo.",
            "Go back to the providers.",
        )
    }

    /// A form that was not made for the session that it came with.
    pub(crate) fn of_foreign_form() -> Self {
        Self::new(
            "This form is not from this page",
            "The form came without the secret that this site puts into its own forms, or with that of another session.",
            "Either the session has ended meanwhile, or another site tried to press the button for you. Nothing was done.",
            "Go back to the providers and press the button there.",
        )
    }

    /// A request under a name that is not this machine's.
    pub(crate) fn of_foreign_host() -> Self {
        Self::new(
            "The demo answers to this machine only",
            "The request asked for a host that is neither localhost nor a loopback address.",
            "Another site may have pointed its name at this machine to read the demo's pages.",
            "Open the address that the demo printed when it started.",
        )
    }

    /// A sign-in that failed. `title` gives a provider's name as users know it.
    pub(crate) fn of_sign_in(error: &SignInError, title: impl Fn(&str) -> String) -> Self {
        let mut explanation = Self::of_kind(error.kind(), title);
        explanation.retry_at = error.retry().map(|_| error.provider().to_owned());
        explanation
    }

    fn of_kind(kind: &SignInErrorKind, title: impl Fn(&str) -> String) -> Self {
        let new = Self::new;
        match kind {
            SignInErrorKind::UnknownProvider => new(
                "There is no such provider",
                "The address names a provider that this site does not offer.",
                "Most likely it was mistyped.",
                "Choose one of the buttons.",
            ),
            SignInErrorKind::NoAttempt => new(
                "This sign-in is over, or is not yours",
                "A provider sent somebody back, but this browser holds no cookie of a sign-in with that state.",
                "It was finished already, was started in another browser, took longer than the cookie lives, or somebody \
                 tries to sign you in to their account. The code was not used.",
                AGAIN,
            ),
            SignInErrorKind::Sealed(SealError::Expired) => new(
                "The sign-in took too long",
                "You came back from the provider, but the sign-in is older than a sign-in may be.",
                "The limit keeps a forgotten tab from signing somebody in much later. The code was not used.",
                AGAIN,
            ),
            SignInErrorKind::Sealed(SealError::UnknownKey) => new(
                "The sign-in was started before a restart",
                "The cookie of this sign-in was sealed with a key that the site no longer has.",
                "The demo makes a new key each time it starts. The code was not used.",
                AGAIN,
            ),
            SignInErrorKind::Sealed(SealError::OtherProvider | SealError::OtherRedirectUri) => new(
                "The answer belongs to another sign-in",
                "The cookie of this sign-in is of another provider, or of another address of this site.",
                "Somebody may have mixed up two sign-ins on purpose. The code was not used.",
                AGAIN,
            ),
            SignInErrorKind::Sealed(_) => new(
                "The sign-in's cookie is damaged",
                "The cookie that was set when the sign-in began has been changed.",
                "It is encrypted and authenticated, so that nobody can make one up or alter it. The code was not used.",
                AGAIN,
            ),
            SignInErrorKind::AlreadyUsed => new(
                "This sign-in was finished already",
                "The same callback came a second time.",
                "Each sign-in counts once, even if somebody kept a copy of its cookie. The code was not used again.",
                "If you are not signed in, start the sign-in again.",
            ),
            SignInErrorKind::WrongMethod => new(
                "The answer came in the wrong way",
                "The callback was posted though the provider was asked for a redirect, or the other way round.",
                "Most likely it is not the provider's: a page of another site can post forms to here. The code was not used.",
                AGAIN,
            ),
            SignInErrorKind::TooLarge | SignInErrorKind::NotAForm => new(
                "This is not the answer to a sign-in",
                "The callback is larger than any provider's, or is not a form.",
                "It does not come from a provider.",
                AGAIN,
            ),
            SignInErrorKind::ReturnTo | SignInErrorKind::ReturnToTooLong => new(
                "The way back leads off this site",
                "The sign-in was to end at an address of another site.",
                "A link with such an address would take you to a site that only looks like this one.",
                "Start the sign-in from this site's own page.",
            ),
            SignInErrorKind::UnknownHost => new(
                "The request names no host",
                "The request did not say for which host it is, or said it twice.",
                "No browser does this.",
                AGAIN,
            ),
            SignInErrorKind::Login(error) => Self::of_error(error, &title(error.provider())),
            error => {
                let mut explanation = new(
                    "Something went wrong here",
                    "The site could not look up what it needs.",
                    "It is not your fault, and not the provider's.",
                    "Try again later.",
                );
                explanation.details.push(("Error", error.to_string()));
                explanation
            }
        }
    }

    /// A failure of the library, at a provider that users know by this name.
    pub(crate) fn of_error(error: &Error, provider: &str) -> Self {
        let (title, happened, means) = in_words(error, provider);
        let to_do = match error.class() {
            ErrorClass::Transient { retry_after } => {
                let wait = retry_after
                    .map_or("Wait a moment".to_owned(), |wait| format!("Wait {}", in_seconds(wait)));
                format!("{wait}, then try again. An application keeps its tokens in such a case.")
            }
            ErrorClass::Reauthorize => AGAIN.to_owned(),
            ErrorClass::Configuration if matches!(error.kind(), ErrorKind::Unsupported(_)) => {
                "Nothing: an application offers this only where the provider has it.".to_owned()
            }
            ErrorClass::Configuration => format!(
                "Compare the application's settings with its registration at {provider}: client id, secret, redirect URI, \
                 scopes. Trying again does not help before that."
            ),
            _ => format!(
                "Start again; if it stays, tell {provider}. An application keeps a record of the reply for that."
            ),
        };
        let mut explanation = Self::new(&title, &happened, &means, &to_do);
        explanation.details = details(error);
        explanation.is_choice = is_denial(error);
        explanation
    }
}

/// Whether the user did not allow the sign-in.
fn is_denial(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Login(LoginError::Refused(refused)) if DENIED.contains(&&*refused.code))
}

fn in_words(error: &Error, provider: &str) -> (String, String, String) {
    let words = |title: &str, happened: String, means: &str| (title.to_owned(), happened, means.to_owned());
    match error.kind() {
        ErrorKind::Login(login) => login_in_words(login, provider),
        ErrorKind::Transport(_) => words(
            "No complete answer came",
            format!("The site asked {provider} and got no complete answer."),
            "The connection failed, took too long, led elsewhere, or brought more than a provider sends.",
        ),
        ErrorKind::Refused { .. } | ErrorKind::UnexpectedStatus { .. }
            if error.class() == ErrorClass::Reauthorize
                && [Operation::GET_PROFILE, Operation::GET_IDENTITY].contains(&error.operation()) =>
        {
            words(
                "The access token is not accepted",
                format!("{provider} does not accept the access token."),
                "It has expired or was revoked.",
            )
        }
        ErrorKind::Refused { .. } | ErrorKind::UnexpectedStatus { .. }
            if matches!(error.class(), ErrorClass::Transient { .. }) =>
        {
            words(
                "The provider is not well, or busy",
                format!("{provider} answered that it cannot answer now."),
                "This passes. Nothing is lost: tokens stay as good as they were.",
            )
        }
        ErrorKind::Refused { .. } if error.class() == ErrorClass::Reauthorize => words(
            "The permission is no longer valid",
            format!("{provider} refused what the site showed: a code or a refresh token."),
            "It has expired, was used before, or was revoked.",
        ),
        ErrorKind::Refused { .. } => words(
            "The provider refused",
            format!("{provider} answered the site's request with an error."),
            "The error code says why; it is below.",
        ),
        ErrorKind::UnexpectedStatus { .. } => words(
            "The provider answered with an error",
            format!("{provider} answered with an error that no standard describes."),
            "The HTTP status and the provider's own words, if there are any, are below.",
        ),
        ErrorKind::MalformedReply { .. } => words(
            "The provider's answer cannot be used",
            format!("{provider} reported success, but its reply is damaged or lacks what is needed."),
            "Nobody is signed in on the strength of a reply that nobody can read. The code or the refresh token of the \
             request may be used up all the same.",
        ),
        ErrorKind::Unsupported(_) => words(
            "The provider cannot do this",
            format!("{provider} has no such operation, so nothing was sent."),
            "Not every provider can revoke or refresh tokens, or has a profile to read.",
        ),
        ErrorKind::Configuration(_) => words(
            "The site is not set up correctly",
            "Nothing was sent, because the settings cannot work.".to_owned(),
            "Whoever runs the site has to correct them.",
        ),
        ErrorKind::Jwt(failed) => words(
            "The ID token failed a check",
            format!("{provider} sent an ID token that does not prove who you are: {failed}."),
            "Signature, issuer, audience, nonce and times are checked; one of them is wrong. Nobody was signed in.",
        ),
        _ => words("The sign-in failed", error.to_string(), "The error says more than this page knows."),
    }
}

fn login_in_words(error: &LoginError, provider: &str) -> (String, String, String) {
    let words = |title: &str, happened: String, means: &str| (title.to_owned(), happened, means.to_owned());
    match error {
        LoginError::Refused(refused) if DENIED.contains(&&*refused.code) => words(
            "You said no",
            format!("{provider} reports that you did not allow the sign-in."),
            "That is your right and nobody's error. Nothing was changed.",
        ),
        LoginError::Refused(_) => words(
            "The provider refused the sign-in",
            format!("{provider} sent you back with an error instead of a code."),
            "The error code says why; it is below.",
        ),
        LoginError::Expired => words(
            "The sign-in took too long",
            format!("You came back from {provider}, but the sign-in is older than a sign-in may be."),
            "The limit keeps a forgotten tab from signing somebody in much later. The code was not used.",
        ),
        LoginError::MissingState
        | LoginError::NotAQuery
        | LoginError::StateMismatch
        | LoginError::OtherProvider { .. }
        | LoginError::DuplicateParameter(_) => words(
            "The answer does not belong to your sign-in",
            format!("The callback does not fit the sign-in that this browser started at {provider}."),
            "Somebody may try to sign you in to their account. The code was not used.",
        ),
        LoginError::IssuerMismatch | LoginError::MissingIssuer => words(
            "The answer comes from somebody else",
            format!("The callback does not say that it comes from {provider}, or says that it does not."),
            "Another provider may try to get hold of the code (a mix-up attack). The code was not used.",
        ),
        LoginError::MissingCode => words(
            "The provider sent no code",
            format!("{provider} sent you back with neither a code nor an error."),
            "Without a code there is nothing to exchange for a token.",
        ),
        LoginError::ProviderCheck(_) => words(
            "The callback failed the provider's own check",
            format!("{provider} signs its callbacks, and this one has no valid signature."),
            "It was changed on its way or does not come from there. The code was not used.",
        ),
        other => words("The sign-in failed", other.to_string(), "The error says more than this page knows."),
    }
}

fn details(error: &Error) -> Vec<(&'static str, String)> {
    let mut details = vec![("Operation", error.operation().as_str().to_owned())];
    details.extend(error.host().map(|host| ("Host that was asked", host.to_owned())));
    details.extend(error.status().map(|status| ("HTTP status", status.as_u16().to_string())));
    if let Some(oauth) = error.oauth_error() {
        details.push(("Error code", oauth.code.clone()));
        details.extend(oauth.description.clone().map(|text| ("The provider's words", text)));
    }
    details.push(("What to do, for a program", format!("{:?}", error.class())));
    details.push(("Error in full", error.to_string()));
    details
}

fn in_seconds(wait: Duration) -> String {
    match wait.as_secs() {
        0 | 1 => "a second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}
