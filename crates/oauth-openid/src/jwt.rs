//! Verification of the provider's other signed tokens.

use oauth_core::{
    JwtUse, Result,
    serde_json::{Map, Value},
};

use crate::{
    jwt_expectations::{JwtExpectations, VERIFY_JWT},
    relying_party::RelyingParty,
    verify::Context,
};

impl RelyingParty<'_> {
    /// Verifies a signed token of the provider's that has no method of its own, and returns its claims. An encrypted one is decrypted
    /// first. The issuer is compared before any key is fetched.
    ///
    /// ```no_run
    /// use oauth_openid::{JwtExpectations, OpenIDConnect, oauth_core::{JwtUse, Provider}};
    ///
    /// # async fn f(provider: &dyn Provider, jwt: &str) -> Result<(), oauth_openid::oauth_core::Error> {
    /// if let Some(openid) = OpenIDConnect::of(provider) {
    ///     let expected = JwtExpectations::new(JwtUse::Other).type_required("session-statement+jwt");
    ///     let claims = openid.verify_jwt(jwt, &expected).await?;
    ///     println!("{:?}", claims.get("sid"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// An error of [`ErrorKind::Jwt`](oauth_core::ErrorKind::Jwt) that says which check failed, or any error of reading metadata and keys.
    pub async fn verify_jwt(&self, jwt: &str, expected: &JwtExpectations) -> Result<Map<String, Value>> {
        let client = self.ready().await.map_err(|error| error.during(expected.operation))?;
        let protocol = self.protocol_of(&client);
        let context = Context {
            issuer: expected.issuer.as_deref(),
            expected: Some(expected),
            ..Context::new(&client, expected.operation, expected.token)
        };
        let verified = protocol.verify(&context, jwt, expected.must_be_encrypted).await?;
        expected
            .check(&verified.claims, client.client_id(), &protocol.policy)
            .map_err(|refusal| context.refuse(refusal))?;
        Ok(verified.claims)
    }

    /// Reads the claims of a token that nobody has verified, decrypted if need be: to find what it belongs to, never to believe it.
    ///
    /// # Errors
    ///
    /// An error of [`ErrorKind::Jwt`](oauth_core::ErrorKind::Jwt) when it has no such form, or is encrypted for somebody else.
    pub async fn unverified_claims(&self, jwt: &str, token: JwtUse) -> Result<Map<String, Value>> {
        let client = self.ready().await?;
        let protocol = self.protocol_of(&client);
        let context = Context::new(&client, VERIFY_JWT, token);
        protocol.payload(&context, jwt).await
    }
}
