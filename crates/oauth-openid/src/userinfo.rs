//! UserInfo, plain or signed (OpenID Connect Core section 5.3).

use oauth_core::{
    JwtCheck, JwtUse, OAuth2, OAuth2Token, Operation, Response, Result, http::header::CONTENT_TYPE,
    provider_kit::text_at, serde_json::Value,
};

use crate::{
    claims::ClaimsExt,
    expectations::{Expiry, check_unexpired},
    jws::{JwtRefusal, shown},
    openid_connect::OpenIDConnect,
    policy::UserInfoForm,
    verify,
};

impl OpenIDConnect {
    /// Reads UserInfo, plain or signed (OpenID Connect Core section 5.3).
    pub(crate) async fn userinfo(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Value> {
        let operation = Operation::GET_PROFILE;
        let mut call = client.profile_request(token)?;
        if self.policy.userinfo == UserInfoForm::Signed {
            call = call.header("accept", "application/jwt");
        }
        let reply = call.send().await?;
        if reply.status() != 200 {
            return Err(reply.malformed("UserInfo comes with HTTP 200"));
        }
        let signed = is_jwt(&reply);
        let context = verify::Context::new(client, operation, JwtUse::UserInfo);
        match (self.policy.userinfo, signed) {
            (UserInfoForm::Signed, false) => {
                let reason = "it is not signed, though the client registered that it should be".to_owned();
                return Err(context.refuse((JwtCheck::Encryption, reason)));
            }
            (UserInfoForm::Plain, true) => {
                let reason = "it is signed, though the client registered that it should not be".to_owned();
                return Err(context.refuse((JwtCheck::Encryption, reason)));
            }
            _ => {}
        }
        let profile = match signed {
            true => self.signed_userinfo(&context, &reply).await?,
            false if self.policy.encryption.userinfo => {
                let reason = "it is not encrypted, though the client registered that it should be".to_owned();
                return Err(context.refuse((JwtCheck::Encryption, reason)));
            }
            false => reply.object()?,
        };
        match text_at(&profile, "/sub") {
            Some(_) => Ok(profile),
            None => Err(reply.malformed("it has no sub (OpenID Connect Core section 5.3.2)")),
        }
    }

    async fn signed_userinfo(&self, context: &verify::Context<'_>, reply: &Response) -> Result<Value> {
        let refuse = |refusal: JwtRefusal| context.refuse(refusal);
        let text = std::str::from_utf8(reply.body().trim_ascii())
            .map_err(|_| refuse((JwtCheck::Form, "it is not text".to_owned())))?;
        let verified = self.verify(context, text, self.policy.encryption.userinfo).await?;
        let claims = verified.claims;
        // `aud` and `exp` are for the provider to send (section 5.3.2), and to be right if they are there.
        if claims.contains_key("aud")
            && !claims.audiences().is_some_and(|audiences| audiences.contains(&context.client.client_id()))
        {
            let reason = format!("its aud is {}, which is not this client", shown(claims.get("aud")));
            return Err(refuse((JwtCheck::Audience, reason)));
        }
        check_unexpired(&claims, &self.policy, Expiry::MayBeMissing).map_err(refuse)?;
        Ok(Value::Object(claims))
    }

    /// Whether the profile endpoint is UserInfo and not the provider's own API.
    pub(crate) fn has_userinfo(client: &OAuth2) -> bool {
        client.spec().profile.id_at == "/sub"
    }
}

/// Whether UserInfo is a JWT by its content type.
fn is_jwt(reply: &Response) -> bool {
    let kind = reply.header(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/jwt")
}
