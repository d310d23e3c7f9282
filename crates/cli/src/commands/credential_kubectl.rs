//! `credential kubectl`: an exec plugin of kubectl (client.authentication.k8s.io).

use std::env;

use oauth_clients::OAuth2Token;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    arguments::{Common, KubectlCredential},
    commands::token::{account, with_advice},
    exit::{CommandResult, Failure},
    jwt,
    output::print_line,
    tokens::{self, AccountTokens},
};

/// kubectl is told that the token ends a little before it does.
const MARGIN: Duration = Duration::seconds(30);

pub(crate) async fn run(kubectl: &KubectlCredential, common: &Common) -> CommandResult {
    let version = version(env::var("KUBERNETES_EXEC_INFO").ok().as_deref())?;
    let account = account(Some(&kubectl.account), common)?;
    let AccountTokens { manager, key, .. } = tokens::of(&account, common).await?;
    let mut found = manager.get_token(&key).await;
    if !kubectl.access_token && found.as_ref().is_ok_and(|token| has_expired_id_token(token)) {
        // An ID token may end long before the access token beside it; a refresh brings another one, where the provider gives any.
        found = match manager.get_valid_for(&key, std::time::Duration::MAX).await {
            Ok(_) => manager.get_token(&key).await,
            Err(error) => Err(error),
        };
    }
    tokens::finish(&manager).await?;
    let token = found.map_err(|error| with_advice(error.into(), &account))?;
    let (text, expires_at) = match kubectl.access_token {
        true => (token.access_token(), token.expires_at()),
        false => {
            let id_token = token.id_token().ok_or_else(|| {
                Failure::Other(
                    "there is no ID token; ask for the scope openid, or give the access token with --access-token".to_owned(),
                )
            })?;
            let expires_at = expiry_of(id_token);
            if expires_at.is_some_and(|time| time <= OffsetDateTime::now_utc()) {
                return Err(with_advice(
                    Failure::SignInAgain(
                        "the ID token has expired, and the provider gave no new one with the refresh"
                            .to_owned(),
                    ),
                    &account,
                ));
            }
            (id_token, expires_at)
        }
    };
    let mut status = json!({ "token": text });
    if let Some(time) =
        expires_at.and_then(|time| (time - MARGIN).replace_nanosecond(0).ok()?.format(&Rfc3339).ok())
    {
        status["expirationTimestamp"] = time.into();
    }
    print_line(&json!({ "apiVersion": version, "kind": "ExecCredential", "status": status }).to_string())
}

/// The version that kubectl speaks.
fn version(info: Option<&str>) -> CommandResult<&'static str> {
    const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
    let Some(info) = info else { return Ok(VERSIONS[0]) };
    let info: Value = serde_json::from_str(info)
        .map_err(|_| Failure::Usage("KUBERNETES_EXEC_INFO is not JSON".to_owned()))?;
    let asked = info.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    VERSIONS.into_iter().find(|version| *version == asked).ok_or_else(|| {
        Failure::Usage(format!("kubectl asks for {asked:?}; this plugin speaks {}", VERSIONS.join(" and ")))
    })
}

fn has_expired_id_token(token: &OAuth2Token) -> bool {
    token.id_token().and_then(expiry_of).is_some_and(|time| time <= OffsetDateTime::now_utc())
}

/// `exp` of a token that the library has verified when it came.
fn expiry_of(id_token: &str) -> Option<OffsetDateTime> {
    let exp = jwt::parts(id_token).ok()?.claims?.get("exp")?.as_f64()?;
    OffsetDateTime::from_unix_timestamp(exp as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_kubectl_asks_for() {
        assert_eq!(version(None).unwrap(), "client.authentication.k8s.io/v1");
        let beta = r#"{"apiVersion":"client.authentication.k8s.io/v1beta1","spec":{"interactive":false}}"#;
        assert_eq!(version(Some(beta)).unwrap(), "client.authentication.k8s.io/v1beta1");
        assert!(version(Some("{}")).is_err() && version(Some("no")).is_err());
    }
}
