//! What a `Spec` says of error replies.

/// How a provider says that a request failed, beside the ways of the standards (RFC 6749 section 5.2, RFC 6750 section 3.1). It holds for
/// every reply of the provider.
#[derive(Clone, Copy, Debug)]
pub struct ErrorSpec {
    /// The member that tells failure from success, whatever the HTTP status. A reply without it is a success. Example:
    /// `Some("/errcode")`.
    pub failed_at: Option<&'static str>,
    /// The values of that member, as texts, that mean success. Example: `&["0"]`.
    pub success: &'static [&'static str],
    /// The error code, if it is not the member that tells failure from success. Without such a member, a reply that has a code is a
    /// failure. Example: `Some("/errors/0/code")`.
    pub code_at: Option<&'static str>,
    /// What went wrong, in words. Example: `Some("/errmsg")`.
    pub message_at: Option<&'static str>,
    /// What the provider's own codes mean in the words of the standards, wherever they are in a reply. Example: `&[("40029",
    /// "invalid_grant"), ("-1", "temporarily_unavailable")]`. What takes more than a code to tell is for
    /// [`Provider::translate_error`](crate::Provider::translate_error).
    pub codes: &'static [(&'static str, &'static str)],
    #[doc(hidden)]
    pub __needs_base: (),
}

impl ErrorSpec {
    /// Errors as the standards have them, and as many servers bend them: see [`Response`](crate::Response).
    pub const RFC6749: Self =
        Self { failed_at: None, success: &[], code_at: None, message_at: None, codes: &[], __needs_base: () };
}
