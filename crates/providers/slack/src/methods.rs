//! What all methods of Slack's API have in common.

use oauth_core::provider_kit::{ErrorSpec, RevocationSpec, TokenPlace};

/// The token that is revoked authorizes its revocation.
pub(crate) const REVOCATION: RevocationSpec =
    RevocationSpec { access_tokens_only: true, token: TokenPlace::Bearer, ..RevocationSpec::RFC7009 };

/// The [errors](https://docs.slack.dev/reference/methods/openid.connect.token) of all methods.
pub(crate) const ERRORS: ErrorSpec = ErrorSpec {
    failed_at: Some("/ok"),
    success: &["true"],
    code_at: Some("/error"),
    codes: &[
        ("invalid_code", "invalid_grant"),
        ("code_already_used", "invalid_grant"),
        ("invalid_refresh_token", "invalid_grant"),
        ("bad_client_secret", "invalid_client"),
        ("invalid_client_id", "invalid_client"),
        ("bad_redirect_uri", "redirect_uri_mismatch"),
        ("oauth_authorization_url_mismatch", "invalid_request"),
        ("invalid_grant_type", "unsupported_grant_type"),
        ("invalid_auth", "invalid_token"),
        ("not_authed", "invalid_token"),
        ("account_inactive", "invalid_token"),
        ("token_expired", "invalid_token"),
        ("token_revoked", "invalid_token"),
        ("missing_scope", "insufficient_scope"),
        ("ratelimited", "temporarily_unavailable"),
        ("internal_error", "temporarily_unavailable"),
        ("fatal_error", "temporarily_unavailable"),
        ("service_unavailable", "temporarily_unavailable"),
        ("request_timeout", "temporarily_unavailable"),
        // A workspace that is being moved to an enterprise is out of reach until that is done.
        ("team_added_to_org", "temporarily_unavailable"),
        ("org_login_required", "temporarily_unavailable"),
    ],
    ..ErrorSpec::RFC6749
};
