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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::error::OAuthError;

    const A_MINUTE: Option<Duration> = Some(Duration::from_secs(60));

    fn reply(status: u16, retry_after: Option<Duration>, used_token: bool) -> FailedReply {
        FailedReply {
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::new(),
            retry_after,
            is_invalid_grant: false,
            is_transient: false,
            used_token,
        }
    }

    fn code(code: &str) -> OAuthError {
        OAuthError { code: code.to_owned(), description: None, uri: None }
    }

    fn refused(operation: Operation, by: &str, reply: FailedReply) -> ErrorClass {
        Error::new(operation, "x", ErrorKind::Refused { error: code(by), reply }).class()
    }

    #[test]
    fn a_code_of_the_standards_means_one_thing_everywhere() {
        for by in [
            "invalid_grant",
            "invalid_token",
            "access_denied",
            "login_required",
            "expired_token",
            "190",
            "024",
        ] {
            for operation in [Operation::GET_ACCESS_TOKEN, Operation::REFRESH_TOKEN, Operation::GET_PROFILE] {
                assert_eq!(refused(operation, by, reply(400, None, false)), ErrorClass::Reauthorize, "{by}");
            }
            // Who hands out metadata and keys sees no grant.
            for operation in [Operation::DISCOVER, Operation::GET_KEYS] {
                assert_eq!(refused(operation, by, reply(400, None, false)), ErrorClass::Protocol, "{by}");
            }
        }
        for by in [
            "invalid_client",
            "unauthorized_client",
            "invalid_scope",
            "redirect_uri_mismatch",
            "invalid_dpop_proof",
            "invalid_request_uri",
        ] {
            for operation in [Operation::REFRESH_TOKEN, Operation::DISCOVER, Operation::GET_KEYS] {
                assert_eq!(
                    refused(operation, by, reply(400, None, false)),
                    ErrorClass::Configuration,
                    "{by}"
                );
            }
        }
        for by in ["server_error", "temporarily_unavailable", "slow_down", "authorization_pending"] {
            let class = refused(Operation::REFRESH_TOKEN, by, reply(400, A_MINUTE, false));
            assert_eq!(class, ErrorClass::Transient { retry_after: A_MINUTE }, "{by}");
        }
        assert_eq!(
            refused(Operation::REFRESH_TOKEN, "use_dpop_nonce", reply(401, None, false)),
            ErrorClass::Protocol
        );
    }

    #[test]
    fn a_code_of_the_providers_own_is_judged_by_its_status() {
        for (operation, status, used_token, class) in [
            (Operation::GET_ACCESS_TOKEN, 400, false, ErrorClass::Reauthorize),
            (Operation::GET_ACCESS_TOKEN, 401, false, ErrorClass::Configuration),
            (Operation::REFRESH_TOKEN, 400, false, ErrorClass::Protocol),
            (Operation::REFRESH_TOKEN, 401, false, ErrorClass::Configuration),
            (Operation::GET_PROFILE, 401, true, ErrorClass::Reauthorize),
            (Operation::GET_PROFILE, 403, true, ErrorClass::Protocol),
        ] {
            assert_eq!(
                refused(operation, "E17", reply(status, None, used_token)),
                class,
                "{operation} {status}"
            );
        }
    }

    #[test]
    fn a_server_in_trouble_has_not_judged_the_grant() {
        for status in [408, 425, 429, 500, 503, 599] {
            let class = refused(Operation::REFRESH_TOKEN, "invalid_grant", reply(status, A_MINUTE, false));
            assert_eq!(class, ErrorClass::Transient { retry_after: A_MINUTE }, "{status}");
        }
        let limited = refused(Operation::GET_PROFILE, "x", reply(403, A_MINUTE, true));
        assert_eq!(limited, ErrorClass::Transient { retry_after: A_MINUTE });
        let says_so = FailedReply { is_transient: true, ..reply(400, None, false) };
        let class = refused(Operation::REFRESH_TOKEN, "invalid_grant", says_so);
        assert_eq!(class, ErrorClass::Transient { retry_after: None });
    }

    #[test]
    fn a_refusal_at_the_callback_leads_back_to_the_login() {
        for (by, class) in [
            ("access_denied", ErrorClass::Reauthorize),
            ("invalid_request_uri", ErrorClass::Reauthorize),
            ("E17", ErrorClass::Reauthorize),
            ("invalid_scope", ErrorClass::Configuration),
            ("temporarily_unavailable", ErrorClass::Transient { retry_after: None }),
        ] {
            let kind = ErrorKind::Login(LoginError::Refused(code(by)));
            assert_eq!(Error::new(Operation::FINISH_LOGIN, "x", kind).class(), class, "{by}");
        }
    }
}
