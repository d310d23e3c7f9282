//! Installation of a Slack app (`oauth.v2.access`), whose bot acts for the workspace and, if asked for, for the user who installed it.

use oauth_core::{
    ClientAuth, CodeVerifier, Endpoint, Error, Identity, OAuth2Token, Pkce, Provider, Result, Spec,
    async_trait,
    provider_kit::{AuthorizationSpec, TokenSpec, check_subject, text_at},
    serde_json::{self, Map, Value},
};

use crate::methods::{ERRORS, REVOCATION};

/// The endpoints and the dialect of an [app's installation](https://docs.slack.dev/authentication/installing-with-oauth).
pub const APP_SPEC: Spec = Spec {
    name: "slack-app",
    display_name: "Slack",
    color: "#4a154b",
    docs: "https://docs.slack.dev/authentication/installing-with-oauth",
    identity_issuer: Some("https://slack.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://slack.com/oauth/v2/authorize"),
        (Endpoint::Token, "https://slack.com/api/oauth.v2.access"),
        (Endpoint::Refresh, "https://slack.com/api/oauth.v2.access"),
        (Endpoint::Revocation, "https://slack.com/api/auth.revoke"),
    ],
    authorization: AuthorizationSpec {
        scope_separator: ",",
        pkce: Pkce::Unsupported,
        ..AuthorizationSpec::RFC6749
    },
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    revocation: REVOCATION,
    errors: ERRORS,
    ..Spec::RFC6749
};

/// What belongs to a token, in the reply and in its `authed_user`.
const OF_TOKEN: [&str; 5] = ["access_token", "token_type", "refresh_token", "expires_in", "scope"];

oauth_core::client! {
    /// Installs a Slack app: its scopes are those of the bot.
    ///
    /// The token is the bot's. `token.get("authed_user")` is the user who installed the app, with a token of theirs if `user_scope` asked
    /// for one; with user scopes alone, that token is the token. `token.get("slack_token_type")` says which: `bot` or `user`.
    /// `token.get("team")` is the workspace.
    pub struct SlackAppOAuth2 from APP_SPEC;
}

oauth_core::authorize_params! {
    /// The authorization parameters of an app's installation.
    pub struct SlackAppAuthorizeParams {
        /// The scopes of the user's own token, with commas between them.
        pub user_scope: Option<String>,
        /// The workspace that the page proposes, by its id.
        pub team: Option<String>,
    }
}

#[async_trait]
impl Provider for SlackAppOAuth2 {
    oauth_core::accessors!();

    /// Where only user scopes were asked for, the reply has the user's token alone, under `authed_user`.
    async fn get_access_token(
        &self,
        code: &str,
        redirect_uri: &str,
        code_verifier: Option<&CodeVerifier>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let request = self.oauth2.exchange_request(code, redirect_uri, code_verifier, extra)?;
        let reply = request.send().await?;
        let mut fields = reply.object()?;
        if fields["access_token"].is_null() {
            for name in OF_TOKEN {
                if let Some(value) = fields["authed_user"].get(name).cloned() {
                    fields[name] = value;
                }
            }
        }
        if let Some(fields) = fields.as_object_mut() {
            set_kind_aside(fields);
        }
        serde_json::from_value(fields)
            .map_err(|_| reply.malformed("there is no access_token, of a bot or a user"))
    }

    async fn refresh_token_with(
        &self,
        refresh_token: &str,
        scopes: Option<&[&str]>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let token = self.oauth2.refresh_token_with(refresh_token, scopes, extra).await?;
        let mut fields = Map::from(token.clone());
        set_kind_aside(&mut fields);
        Ok(serde_json::from_value(Value::Object(fields)).unwrap_or(token))
    }

    /// The user who installed the app, as the token of the installation says; the token of a refresh does not.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        let mut profile: Map<String, Value> = ["authed_user", "team", "enterprise"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), token.get(name)?)))
            .collect();
        if let Some(user) = profile.get_mut("authed_user").and_then(Value::as_object_mut) {
            // An identity is stored and logged; a token is not.
            user.retain(|name, _| !["access_token", "refresh_token"].contains(&name.as_str()));
        }
        let profile = Value::Object(profile);
        let id = text_at(&profile, "/authed_user/id").filter(|id| check_subject(id).is_ok());
        match id {
            Some(id) => Ok(Identity::new(self.oauth2.identity_issuer(), id, profile)),
            None => {
                Err(Error::in_profile(&self.oauth2, &profile, "the token does not say who installed the app"))
            }
        }
    }
}

/// Slack's `token_type` says whose a token is, and not how it is used: all are sent as bearer tokens.
fn set_kind_aside(fields: &mut Map<String, Value>) {
    let is_kind = |kind: &Value| matches!(kind.as_str(), Some("bot" | "user"));
    if fields.get("token_type").is_some_and(is_kind)
        && let Some(kind) = fields.remove("token_type")
    {
        fields.insert("slack_token_type".to_owned(), kind);
    }
}
