//! Reasons of a refusal, as the user is told them.

/// A reason that a user is told for a [`SignInError`](crate::SignInError): what to translate, and what a program can compare.
///
/// There are fewer than [`SignInErrorKind`](crate::SignInErrorKind) has, because a user can do the same about several of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SignInReason {
    /// The user did not allow the sign-in.
    Denied,
    /// The sign-in took too long.
    Expired,
    /// No sign-in was started in this browser, or it is over.
    NoAttempt,
    /// The sign-in was finished already.
    AlreadyUsed,
    /// The callback or its code is not valid, or not any more.
    NotValid,
    /// The request is not the answer to a sign-in.
    NotACallback,
    /// The path names no provider.
    UnknownProvider,
    /// The provider cannot be reached right now.
    ProviderUnreachable,
    /// The provider's answer cannot be used.
    UnusableAnswer,
    /// The application's client is not set up correctly at this provider.
    Misconfigured,
    /// The address to return to is not on this site.
    ReturnTo,
    /// The address to return to is too long.
    ReturnToTooLong,
    /// The form to link an account did not come from this site.
    ForeignForm,
    /// Nobody is signed in to link an account to.
    NotSignedIn,
    /// Another account is signed in than the one that began to link.
    OtherAccount,
    /// The application itself failed.
    ApplicationFailed,
    /// A session could not be ended. The provider's server is told this, in JSON.
    LogoutFailed,
}

impl SignInReason {
    /// All reasons, for a test that each has a translation.
    pub const ALL: &[Self] = &[
        Self::Denied,
        Self::Expired,
        Self::NoAttempt,
        Self::AlreadyUsed,
        Self::NotValid,
        Self::NotACallback,
        Self::UnknownProvider,
        Self::ProviderUnreachable,
        Self::UnusableAnswer,
        Self::Misconfigured,
        Self::ReturnTo,
        Self::ReturnToTooLong,
        Self::ForeignForm,
        Self::NotSignedIn,
        Self::OtherAccount,
        Self::ApplicationFailed,
        Self::LogoutFailed,
    ];

    /// The code of the reason, such as `already_used`. It stays the same in later versions: use it as the key of a translation.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::NoAttempt => "no_attempt",
            Self::AlreadyUsed => "already_used",
            Self::NotValid => "not_valid",
            Self::NotACallback => "not_a_callback",
            Self::UnknownProvider => "unknown_provider",
            Self::ProviderUnreachable => "provider_unreachable",
            Self::UnusableAnswer => "unusable_answer",
            Self::Misconfigured => "misconfigured",
            Self::ReturnTo => "return_to",
            Self::ReturnToTooLong => "return_to_too_long",
            Self::ForeignForm => "foreign_form",
            Self::NotSignedIn => "not_signed_in",
            Self::OtherAccount => "other_account",
            Self::ApplicationFailed => "application_failed",
            Self::LogoutFailed => "logout_failed",
        }
    }

    /// The message for the user, in English.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Denied => "You did not allow the sign-in. Nothing was changed.",
            Self::Expired => "The sign-in took too long. Please start it again.",
            Self::NoAttempt => {
                "No sign-in was started in this browser, or it is over. Please start it again."
            }
            Self::AlreadyUsed => "This sign-in was finished already. Start it again if you need to.",
            Self::NotValid => "The sign-in is no longer valid. Please start it again.",
            Self::NotACallback => "This request is not the answer to a sign-in.",
            Self::UnknownProvider => "There is no such provider.",
            Self::ProviderUnreachable => "The provider cannot be reached right now. Please try again later.",
            Self::UnusableAnswer => {
                "The provider sent an answer that cannot be used. Please start the sign-in again."
            }
            Self::Misconfigured => "Sign-in with this provider is not set up correctly.",
            Self::ReturnTo => "The address to return to is not on this site.",
            Self::ReturnToTooLong => "The address to return to is too long.",
            Self::ForeignForm => "This form did not come from this site. Nothing was changed.",
            Self::NotSignedIn => "Please sign in first, and then connect the provider. Nothing was changed.",
            Self::OtherAccount => "Another account is signed in now. Nothing was changed.",
            Self::ApplicationFailed => "Something went wrong here. Please try again later.",
            Self::LogoutFailed => "The session could not be ended.",
        }
    }
}
