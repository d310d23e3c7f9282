//! `verify`: checks a JWT against the keys of an issuer.

use oauth_clients::openid::{Discovery, Expectations, OpenID, OpenIDProvider};
use serde_json::{Value, json};

use crate::{
    arguments::{Common, JwtKind, Verify},
    exit::CommandResult,
    jwt,
    output::{Output, plain},
    provider,
};

pub(crate) async fn run(verify: &Verify, common: &Common, output: Output) -> CommandResult {
    let token = jwt::read(&verify.file)?;
    let mut discovery = Discovery::new(&*verify.issuer).with_http_client(provider::http_client(common)?);
    if common.dangerously_allow_plain_http {
        discovery = discovery.dangerously_allow_plain_http();
    }
    let client: OpenID = discovery.client(&*verify.audience, "")?;
    match verify.kind {
        JwtKind::Id => {
            let expected = match &verify.nonce {
                Some(nonce) => Expectations::new().nonce(nonce.as_str()),
                None => Expectations::new().without_nonce(),
            };
            client.verify_id_token(&token, &expected).await?;
        }
        JwtKind::Logout => {
            client.verify_logout_token(&token).await?;
        }
    }
    // They are what was just verified.
    let parts = jwt::parts(&token)?;
    let value =
        json!({ "verified": true, "issuer": verify.issuer, "header": parts.header, "claims": parts.claims });
    output.result(&value, || {
        let text = |members: Option<&Value>| members.and_then(Value::as_str).map(plain).unwrap_or_default();
        let subject = text(parts.claims.as_ref().and_then(|claims| claims.get("sub")));
        let key = text(parts.header.get("kid"));
        output.green(&format!(
            "verified: issued by {} for {}, subject {subject}, key {key:?}",
            verify.issuer, verify.audience
        ))
    })
}
