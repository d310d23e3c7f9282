//! What to do about an error.

use std::time::Duration;

use crate::error::{
    BindingError, Error, ErrorKind, FailedReply, JwtCheck, JwtError, LoginError, Operation, SigningError,
    transport::HttpErrorKind,
};

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The grant or the attempt is dead: send the user through the login again.
    Reauthorize,
    /// It may work later, and nothing is lost: keep the tokens. Only a code that was already sent may be spent; start that sign-in
    /// again.
    Transient {
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
    },
    /// The client, its registration or its settings are wrong; repeating does not help.
    Configuration,
    /// The provider's answer breaks the protocol, or is one that this library does not know.
    Protocol,
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match &self.0.kind {
            ErrorKind::Transport(error) => match error.kind() {
                HttpErrorKind::Redirected | HttpErrorKind::TooLarge => ErrorClass::Protocol,
                HttpErrorKind::InvalidRequest
                | HttpErrorKind::NotPublic
                | HttpErrorKind::Certificate
                | HttpErrorKind::NotTls
                | HttpErrorKind::NoRuntime => ErrorClass::Configuration,
                HttpErrorKind::Connect | HttpErrorKind::Timeout | HttpErrorKind::Other => {
                    ErrorClass::Transient { retry_after: None }
                }
            },
            ErrorKind::Refused { error, reply } => match self.class_of_status(reply) {
                // Whatever a server in trouble says, it has not judged the grant.
                transient @ ErrorClass::Transient { .. } => transient,
                _ if reply.is_invalid_grant => ErrorClass::Reauthorize,
                by_status => self.judgement_of_code(&error.code).unwrap_or(match by_status {
                    // A code that was refused under a name of the provider's own is spent all the same.
                    ErrorClass::Protocol if self.0.operation == Operation::GET_ACCESS_TOKEN => {
                        ErrorClass::Reauthorize
                    }
                    class => class,
                }),
            },
            ErrorKind::UnexpectedStatus { reply, .. } => self.class_of_status(reply),
            // The user can sign in anew at the provider, with more than a password, or by another account.
            ErrorKind::Jwt(JwtError {
                check: JwtCheck::AuthTime | JwtCheck::Acr | JwtCheck::Restriction,
                ..
            }) => ErrorClass::Reauthorize,
            ErrorKind::MalformedReply { .. } | ErrorKind::Jwt(_) => ErrorClass::Protocol,
            ErrorKind::Signing(SigningError::Unavailable(_) | SigningError::Timeout(_)) => {
                ErrorClass::Transient { retry_after: None }
            }
            ErrorKind::Unsupported(_)
            | ErrorKind::Configuration(_)
            | ErrorKind::Signing(SigningError::Key(_)) => ErrorClass::Configuration,
            ErrorKind::Binding(BindingError::UnknownKey { .. } | BindingError::OtherCertificate { .. }) => {
                ErrorClass::Reauthorize
            }
            ErrorKind::Binding(_) => ErrorClass::Protocol,
            ErrorKind::Login(error) => match error {
                LoginError::Refused(error) => {
                    self.class_of_code(&error.code).unwrap_or(ErrorClass::Reauthorize)
                }
                LoginError::IssuerMismatch
                | LoginError::MissingIssuer
                | LoginError::DuplicateParameter(_)
                | LoginError::WrongResponseMode
                | LoginError::ProviderCheck(_) => ErrorClass::Protocol,
                LoginError::NotAQuery => ErrorClass::Configuration,
                LoginError::OtherProvider { .. }
                | LoginError::Restricted(_)
                | LoginError::Expired
                | LoginError::MissingState
                | LoginError::StateMismatch
                | LoginError::MissingCode => ErrorClass::Reauthorize,
            },
        }
    }

    /// The class of a refusal by its code. A server that is asked for metadata or keys sees neither a grant nor a token, so it cannot
    /// declare one dead.
    fn judgement_of_code(&self, code: &str) -> Option<ErrorClass> {
        let judges = !matches!(self.0.operation, Operation::DISCOVER | Operation::GET_KEYS);
        self.class_of_code(code).filter(|class| judges || *class != ErrorClass::Reauthorize)
    }

    /// The class of an error code whose meaning does not depend on the status.
    fn class_of_code(&self, code: &str) -> Option<ErrorClass> {
        Some(match code {
            // RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1, OpenID Connect Core section 3.1.2.6.
            "invalid_grant" | "invalid_token" | "insufficient_scope" | "access_denied" | "login_required"
            | "interaction_required" | "consent_required" | "account_selection_required" | "expired_token"
            // CIBA sections 11 to 13: another attempt, or another hint, can succeed.
            | "transaction_failed" | "expired_login_hint_token" | "unknown_user_id" | "missing_user_code"
            | "invalid_user_code"
            // RFC 9470 section 3, and the callback of a login that answers it.
            | "insufficient_user_authentication" | "unmet_authentication_requirements"
            // Microsoft Graph's, Facebook's (190) and Naver's (024) codes for an invalid access token.
            | "InvalidAuthenticationToken" | "190" | "024" => ErrorClass::Reauthorize,
            // At the callback, the pushed request was used or has expired, and a new login pushes a new one.
            "invalid_request_uri" => match &self.0.kind {
                ErrorKind::Login(_) => ErrorClass::Reauthorize,
                _ => ErrorClass::Configuration,
            },
            "server_error" | "temporarily_unavailable" | "slow_down" | "authorization_pending" => {
                ErrorClass::Transient { retry_after: self.retry_after() }
            }
            "invalid_client" | "unauthorized_client" | "unsupported_grant_type" | "unsupported_response_type"
            | "unsupported_token_type" | "invalid_scope" | "invalid_request" | "invalid_target"
            | "invalid_binding_message"
            // RFC 9101 section 7, OpenID Connect Core section 3.1.2.6, RFC 9396 section 5.
            | "invalid_request_object" | "request_not_supported" | "request_uri_not_supported"
            | "invalid_authorization_details"
            // GitHub's names for invalid_client and for a redirect URI that differs; Shopify's and Salesforce's for invalid_client.
            | "incorrect_client_credentials" | "redirect_uri_mismatch" | "application_cannot_be_found"
            | "invalid_client_id"
            // RFC 9449 section 5: the proof is wrong, and what it was sent with is as good as before.
            | "invalid_dpop_proof" => {
                ErrorClass::Configuration
            }
            // RFC 9449 section 8. The nonce was sent, so nothing is left to do.
            "use_dpop_nonce" => ErrorClass::Protocol,
            _ => return None,
        })
    }

    fn class_of_status(&self, reply: &FailedReply) -> ErrorClass {
        match reply.status.as_u16() {
            _ if reply.is_transient => ErrorClass::Transient { retry_after: reply.retry_after },
            401 if reply.used_token => ErrorClass::Reauthorize,
            401 => ErrorClass::Configuration,
            // GitHub's way to limit rates.
            403 if reply.retry_after.is_some() => ErrorClass::Transient { retry_after: reply.retry_after },
            408 | 425 | 429 | 500..=599 => ErrorClass::Transient { retry_after: reply.retry_after },
            _ => ErrorClass::Protocol,
        }
    }
}
