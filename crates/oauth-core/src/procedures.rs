//! The standard procedures of a [`Provider`], for any provider and compiled once: each gives a boxed future, because to embed
//! theirs would have every provider crate compile them again.

use std::future;

use serde_json::Value;

use crate::{
    OAuth2,
    authorization::AuthorizationRequest,
    boxed::BoxFuture,
    error::{Operation, Result},
    identity::Identity,
    login::{Callback, Login, LoginAttempt, LoginOptions, StartedLogin},
    provider::Provider,
    token::OAuth2Token,
};

pub(crate) fn get_authorization_url<'p>(
    client: &'p OAuth2,
    request: AuthorizationRequest<'p>,
) -> BoxFuture<'p, Result<String>> {
    Box::pin(client.get_authorization_url(request))
}

/// For a provider that has nothing to check.
pub(crate) fn no_check<'p>() -> BoxFuture<'p, Result<()>> {
    Box::pin(future::ready(Ok(())))
}

pub(crate) fn start_login<'p>(
    provider: &'p dyn Provider,
    redirect_uri: &'p str,
    options: LoginOptions,
) -> BoxFuture<'p, Result<StartedLogin>> {
    Box::pin(async move {
        let client = provider.oauth2().made_ready().await?;
        let attempt = client.new_attempt(redirect_uri, &options)?;
        let url = provider.get_authorization_url(client.login_request(&attempt, &options)).await?;
        Ok(StartedLogin { url, attempt })
    })
}

pub(crate) fn finish_login(
    provider: &dyn Provider,
    attempt: LoginAttempt,
    callback: Callback,
) -> BoxFuture<'_, Result<Login>> {
    Box::pin(async move {
        let client = provider.oauth2().made_ready().await?;
        client.check_callback(&attempt, &callback)?;
        let code = client.code_of(&callback)?;
        if let Some(protocol) = client.any_protocol() {
            protocol.check_callback(&client, &attempt, &callback).await?;
        }
        provider.check_callback(&attempt, &callback).await?;
        let token =
            provider.get_access_token(code, attempt.redirect_uri(), attempt.code_verifier(), &[]).await?;
        let mut login = attempt.login(token);
        if let Some(protocol) = client.any_protocol() {
            protocol.check_login(&client, &attempt, &callback, &mut login).await?;
        }
        provider.check_login(&attempt, &login).await?;
        Ok(login)
    })
}

pub(crate) fn refresh<'p>(
    provider: &'p dyn Provider,
    token: &'p OAuth2Token,
    scopes: Option<&'p [&'p str]>,
) -> BoxFuture<'p, Result<OAuth2Token>> {
    Box::pin(async move {
        let client = provider.oauth2();
        let Some(refresh_token) = token.refresh_token() else {
            let reason = "the token has no refresh token; the user must sign in again";
            return Err(client.unsupported(Operation::REFRESH_TOKEN, reason));
        };
        let new = provider.refresh_token(refresh_token, scopes).await?;
        if let Some(protocol) = client.any_protocol() {
            protocol.check_successor(client, token, &new)?;
        }
        Ok(new.or_id_token(token.id_token()).or_scope(scopes, token))
    })
}

pub(crate) fn revoke<'p>(provider: &'p dyn Provider, token: &'p OAuth2Token) -> BoxFuture<'p, Result<()>> {
    match token.refresh_token() {
        Some(refresh_token) if !provider.oauth2().spec().revokes_access_tokens_only => {
            provider.revoke_token(refresh_token, Some("refresh_token"))
        }
        _ => provider.revoke_token(token.access_token(), Some("access_token")),
    }
}

pub(crate) fn get_identity<'p>(
    provider: &'p dyn Provider,
    token: &'p OAuth2Token,
) -> BoxFuture<'p, Result<Identity>> {
    Box::pin(async move {
        let profile = provider.get_profile_of(token).await?;
        let client = provider.oauth2().made_ready().await?;
        let mut identity = client.identity(profile)?;
        if let Some(protocol) = client.any_protocol()
            && let Some(issuer) = protocol.issuer_of(&client, token).await?
        {
            identity.issuer = issuer;
        }
        provider.complete_identity(&mut identity);
        Ok(identity)
    })
}

pub(crate) fn get_id_email<'p>(
    provider: &'p dyn Provider,
    access_token: &'p str,
) -> BoxFuture<'p, Result<(String, Option<String>)>> {
    Box::pin(async move {
        let token = OAuth2Token::new(access_token);
        Ok(provider.get_identity(&token).await?.into_id_email())
    })
}

pub(crate) fn get_profile_of<'p>(
    provider: &'p dyn Provider,
    token: &'p OAuth2Token,
) -> BoxFuture<'p, Result<Value>> {
    Box::pin(async move {
        let client = provider.oauth2().made_ready().await?;
        let Some(protocol) = client.any_protocol() else {
            return provider.get_profile(token.bearer()?).await;
        };
        if client.endpoints().profile.is_none() {
            return protocol.claims_of(&client, token).await;
        }
        let profile = provider.get_profile(token.bearer()?).await?;
        protocol.check_profile(&client, token, &profile)?;
        Ok(profile)
    })
}
