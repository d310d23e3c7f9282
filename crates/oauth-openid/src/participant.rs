//! What OpenID Connect does in a client's logins, refreshes and profile requests.

use oauth_core::{
    AuthorizationParams, Callback, ErrorKind, Identity, JwtCheck, JwtError, JwtUse, Login, LoginAttempt,
    OAuth2, OAuth2Token, Operation, Participant, ResponseType, RestrictedTo, Result, Secret, async_trait,
    parse_json,
    provider_kit::{ConfirmedBy, text_at},
    serde_json::Value,
};

use crate::{
    claims::{Claims, ClaimsExt},
    expectations::Expectations,
    id_token::IdToken,
    issuer::Issuers,
    jws::{JwtRefusal, quoted},
    openid_connect::OpenIDConnect,
    verify,
};

#[async_trait]
impl Participant for OpenIDConnect {
    async fn ready(&self, client: &OAuth2) -> Result<OAuth2> {
        Self::ready(self, client).await
    }

    fn begin(&self, client: &OAuth2, mut attempt: LoginAttempt) -> Result<LoginAttempt> {
        let restricts = self.restricts(client).map_err(|error| error.during(Operation::START_LOGIN))?;
        let by_id_token = |one: &RestrictedTo| {
            let named =
                client.spec().login.restrictions.iter().find(|restriction| restriction.name == one.name);
            named.is_some_and(|restriction| restriction.confirmed_by == ConfirmedBy::IdToken)
        };
        let needs_id_token = restricts
            || attempt.restricted_to().iter().any(by_id_token)
            || attempt.max_age().is_some()
            || !attempt.required_acr().is_empty();
        if restricts {
            attempt = self
                .policy
                .scopes_always
                .iter()
                .rev()
                .fold(attempt, |attempt, scope| attempt.with_scope(scope));
        }
        if needs_id_token && !self.expects_id_token(&attempt) {
            attempt = attempt.with_scope("openid");
        }
        if self.policy.openid_always || attempt.response_type() == ResponseType::CodeIdToken {
            attempt = attempt.with_scope("openid");
        }
        match self.expects_id_token(&attempt) {
            true => attempt.with_random_nonce(),
            false => Ok(attempt),
        }
    }

    fn restricts(&self, client: &OAuth2) -> Result<bool> {
        self.policy.restricts().map_err(|undecided| {
            client.error(Operation::CONFIGURE, ErrorKind::Configuration(undecided.to_owned()))
        })
    }

    fn accepted(&self) -> String {
        self.policy.accepted()
    }

    fn verifies_id_tokens(&self) -> bool {
        true
    }

    fn checks_prompt_login(&self, attempt: &LoginAttempt) -> bool {
        self.expects_id_token(attempt) && !self.policy.prompt_login_unverified
    }

    async fn verified_claims(
        &self,
        client: &OAuth2,
        operation: Operation,
        token: &OAuth2Token,
    ) -> Result<Option<Value>> {
        let Some(id_token) = token.id_token() else { return Ok(None) };
        // It was good when it came. Who the user is does not expire with it.
        let mut expected = Expectations::new();
        expected.may_be_expired = true;
        let id_token = self.verify_id_token(client, operation, id_token, &expected).await?;
        Ok(Some(Value::Object(id_token.claims)))
    }

    /// The ID token that came with the code (OpenID Connect Core section 3.3.2.12).
    async fn check_callback(
        &self,
        client: &OAuth2,
        attempt: &LoginAttempt,
        callback: &Callback,
    ) -> Result<()> {
        if attempt.response_type() != ResponseType::CodeIdToken {
            // Nobody asked for one, so it proves nothing.
            return Ok(());
        }
        let operation = Operation::FINISH_LOGIN;
        let context = verify::Context::of_id_tokens(client, operation);
        let Some(token) = callback.get("id_token").filter(|token| !token.is_empty()) else {
            let reason = "the callback has none, though one was asked for".to_owned();
            return Err(context.refuse((JwtCheck::Presence, reason)));
        };
        let code = callback.get("code").unwrap_or_default();
        let expected = Expectations::of_login(attempt, &self.policy).with_code(code);
        self.verify_id_token(client, operation, token, &expected).await?;
        Ok(())
    }

    async fn check_login(
        &self,
        client: &OAuth2,
        attempt: &LoginAttempt,
        callback: &Callback,
        login: &mut Login,
    ) -> Result<()> {
        let operation = Operation::FINISH_LOGIN;
        let context = verify::Context::of_id_tokens(client, operation);
        let Some(token) = login.token.id_token() else {
            return match self.expects_id_token(attempt) {
                true => Err(context.refuse((JwtCheck::Presence, "the token reply has none".to_owned()))),
                false => Ok(()),
            };
        };
        let expected = Expectations::of_login(attempt, &self.policy).access_token(login.token.access_token());
        let id_token = self.verify_id_token(client, operation, token, &expected).await?;
        if let (ResponseType::CodeIdToken, Some(first)) = (attempt.response_type(), callback.get("id_token"))
        {
            let first = self.payload(&context, first).await?;
            // Nothing else need agree (section 3.3.3.6): other claims may be in one of the two only.
            agree(&first, &id_token.claims, "the callback's").map_err(|refusal| context.refuse(refusal))?;
        }
        // Otherwise the client's only issuer was compared, and is what the token names.
        let compares = |issuer: &&str| match &self.policy.issuers {
            Some(Issuers::OneOf(accepted)) => accepted.iter().any(|accepted| accepted == issuer),
            Some(Issuers::Tenants { .. }) => true,
            _ => false,
        };
        if let Some(issuer) = callback.get("iss").filter(compares)
            && issuer != id_token.issuer()
        {
            let reason = "its iss is not the callback's: it is of another issuer".to_owned();
            return Err(context.refuse((JwtCheck::Agreement, reason)));
        }
        login.insert(id_token);
        Ok(())
    }

    /// OpenID Connect Core section 12.2. There is no nonce to compare with: where one is there, [`check_successor`] does.
    ///
    /// [`check_successor`]: Participant::check_successor
    async fn check_refresh(&self, client: &OAuth2, token: &mut OAuth2Token) -> Result<()> {
        let Some(id_token) = token.id_token() else { return Ok(()) };
        let mut expected = Expectations::new().access_token(token.access_token());
        // It must be of now, and not the first one again.
        expected.not_before = Some(self.policy.clock.now() - self.policy.token_age);
        let outcome = self.verify_id_token(client, Operation::REFRESH_TOKEN, id_token, &expected).await;
        let Err(error) = outcome else { return Ok(()) };
        let context = verify::Context::of_id_tokens(client, Operation::REFRESH_TOKEN);
        // Without an issuer it says nothing of whose it is.
        let names_another_issuer = error.jwt_check() == Some(JwtCheck::Issuer)
            && self.payload(&context, id_token).await.is_ok_and(|claims| claims.text("iss").is_some());
        // Somebody who may not sign in here may not stay signed in either.
        let is_of_another = names_another_issuer || error.jwt_check() == Some(JwtCheck::Restriction);
        if is_of_another && !is_undecided(self) {
            return Err(error);
        }
        // The refresh token that was redeemed is spent, so its successor must not be lost with an ID token that nobody needs.
        *token = token.clone().with_rejected_id_token(error.to_string());
        Ok(())
    }

    async fn check_successor(&self, client: &OAuth2, old: &OAuth2Token, new: &mut OAuth2Token) -> Result<()> {
        let rejected = new.rejected_id_token().and_then(|rejected| rejected.id_token.as_ref());
        let of_reply = new.id_token().or_else(|| rejected.map(Secret::expose));
        let (Some(first), Some(second)) = (old.id_token(), of_reply) else { return Ok(()) };
        // One that was stored by something else may be anything; there is nothing to compare with then. One that was rejected is
        // compared all the same: a comparison can only refuse more.
        let context = verify::Context::of_id_tokens(client, Operation::REFRESH_TOKEN);
        let (first, second) = (self.payload(&context, first).await, self.payload(&context, second).await);
        let (Ok(first), Ok(second)) = (first, second) else { return Ok(()) };
        same_user(&first, &second, "the first one's").map_err(|refusal| context.refuse(refusal))?;
        if new.id_token().is_some()
            && let Err(refusal) = successor(&first, &second)
        {
            *new = new.clone().with_rejected_id_token(context.refuse(refusal).to_string());
        }
        Ok(())
    }

    /// That provider and client know the types of the authorization details that are asked for, where the metadata and the registration
    /// list some (RFC 9396 section 10).
    async fn authorize(&self, client: &OAuth2, params: &mut AuthorizationParams) -> Result<()> {
        let Some(details) = params.get("authorization_details") else { return Ok(()) };
        let details = parse_json(details.as_bytes()).unwrap_or_default();
        let asked: Vec<_> =
            details.as_array().into_iter().flatten().filter_map(|detail| detail["type"].as_str()).collect();
        let metadata = self.metadata(client).await?;
        let supported = metadata.as_ref().and_then(|metadata| {
            let listed = metadata.list("authorization_details_types_supported")?;
            Some(("the provider knows", listed)).filter(|(_, listed)| !listed.is_empty())
        });
        let registered = self.policy.details_types.as_ref().map(|types| {
            (
                "the client registered (authorization_details_types)",
                types.iter().map(String::as_str).collect(),
            )
        });
        for (who, types) in supported.into_iter().chain(registered) {
            if let Some(kind) = asked.iter().find(|kind| !types.contains(kind)) {
                let problem = format!(
                    "{who} no authorization details of type {}, but {}",
                    quoted(kind),
                    quoted(&types.join(", "))
                );
                return Err(client.error(Operation::GET_AUTHORIZATION_URL, ErrorKind::Configuration(problem)));
            }
        }
        Ok(())
    }

    fn accepts_issuer(&self, _client: &OAuth2, issuer: &str) -> Option<bool> {
        self.policy.issuers.as_ref()?.is_of_tenant(issuer)
    }

    async fn issuer_of(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Option<String>> {
        let are_several = self.policy.issuers.as_ref().is_some_and(Issuers::are_several);
        if !Self::has_userinfo(client) || !(are_several || self.is_named_otherwise(client)) {
            return Ok(None);
        }
        let id_token = match token.id_token() {
            Some(id_token) => id_token,
            None if !are_several => return Ok(None),
            None => {
                let reason =
                    "without an ID token nothing tells the user's issuer; use the whole token of the login";
                return Err(client.unsupported(Operation::GET_IDENTITY, reason));
            }
        };
        // It was good when it came. Who the user is does not expire with it.
        let mut expected = Expectations::new();
        expected.may_be_expired = true;
        let id_token = self.verify_id_token(client, Operation::GET_IDENTITY, id_token, &expected).await?;
        Ok(Some(id_token.identity().issuer))
    }

    fn complete_login(&self, complete: &dyn Fn(&mut Identity), login: &mut Login) {
        if let Some(id_token) = IdToken::of(login).cloned() {
            login.insert(id_token.completed(complete));
        }
    }

    async fn read_profile(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Option<Value>> {
        match Self::has_userinfo(client) {
            true => self.userinfo(client, token).await.map(Some),
            false => Ok(None),
        }
    }

    async fn check_profile(&self, client: &OAuth2, token: &OAuth2Token, profile: &Value) -> Result<()> {
        let claim = match (Self::has_userinfo(client), self.policy.profile_id_claim) {
            (true, _) => "sub",
            (false, Some(claim)) => claim,
            (false, None) => return Ok(()),
        };
        let Some(id_token) = token.id_token() else { return Ok(()) };
        // It was verified when the token came. Even if it was not: a comparison can only refuse more.
        let context = verify::Context::of_id_tokens(client, Operation::GET_PROFILE);
        let Ok(claims) = self.payload(&context, id_token).await else { return Ok(()) };
        let is_same = match (Self::has_userinfo(client), claims.get(claim)) {
            // UserInfo must have the token's in any case, and to the letter.
            (true, own) => own == profile.get(claim),
            // An API's identifier is compared where the token has it. Some are numbers there. Where the token decides who may
            // sign in, it must have it.
            (false, None) => !matches!(self.policy.restricts(), Ok(true)),
            (false, Some(own)) => {
                let id = text_at(profile, client.spec().profile.id_at);
                let both = own.as_str().zip(id.as_deref());
                both.is_some_and(|(own, id)| (self.policy.is_same_profile_id)(own, id))
            }
        };
        if is_same {
            return Ok(());
        }
        let reason =
            format!("the profile has another identifier than the ID token's {claim}: it is of another user");
        let error = JwtError { token: JwtUse::UserInfo, check: JwtCheck::Agreement, reason };
        Err(client.error(Operation::GET_PROFILE, ErrorKind::Jwt(error)))
    }

    async fn claims_of(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Option<Value>> {
        let Some(id_token) = token.id_token() else {
            let reason = "there is no profile endpoint, and without an ID token nothing tells who signed in; \
                          use get_identity with the whole token of the login";
            return Err(client.unsupported(Operation::GET_IDENTITY, reason));
        };
        let expected = Expectations::new().access_token(token.access_token());
        let id_token = self.verify_id_token(client, Operation::GET_IDENTITY, id_token, &expected).await?;
        Ok(Some(id_token.identity().profile))
    }
}

impl OpenIDConnect {
    /// Whether an ID token may name another issuer than the client does, where users are known without one.
    fn is_named_otherwise(&self, client: &OAuth2) -> bool {
        client.is_moved()
            || match &self.policy.issuers {
                Some(Issuers::OneOf(accepted) | Issuers::Aliases(accepted)) => {
                    accepted.first().map(|name| &**name) != client.issuer()
                }
                _ => false,
            }
    }

    /// Whether a login or a refresh must bring an ID token.
    fn expects_id_token(&self, attempt: &LoginAttempt) -> bool {
        self.policy.id_token_always
            || self.policy.openid_always
            || attempt.response_type() == ResponseType::CodeIdToken
            || attempt.scopes().flat_map(|scope| scope.split([' ', ','])).any(|scope| scope == "openid")
    }
}

/// That two tokens of one login are of one user of one issuer.
fn agree(one: &Claims, other: &Claims, whose: &str) -> Result<(), JwtRefusal> {
    for name in ["iss", "sub"] {
        if one.get(name) != other.get(name) {
            return Err((JwtCheck::Agreement, format!("its {name} is not {whose}")));
        }
    }
    Ok(())
}

/// Whether nobody has said yet which issuers' tokens are accepted, so that none can be judged.
fn is_undecided(protocol: &OpenIDConnect) -> bool {
    protocol.policy.restricts().is_err()
}

/// That two tokens name no two users. One that lacks `iss` or `sub` names none.
fn same_user(first: &Claims, second: &Claims, whose: &str) -> Result<(), JwtRefusal> {
    for name in ["iss", "sub"] {
        if let (Some(one), Some(other)) = (first.get(name), second.get(name))
            && one != other
        {
            return Err((JwtCheck::Agreement, format!("its {name} is not {whose}")));
        }
    }
    Ok(())
}

/// What else OpenID Connect Core section 12.2 says of an ID token that comes with a refresh.
fn successor(old: &Claims, new: &Claims) -> Result<(), JwtRefusal> {
    let wrong = |what: &str| Err((JwtCheck::Agreement, what.to_owned()));
    // A newer one is of a session at the provider that was renewed meanwhile. Fractions of a second do not matter.
    if let (Some(first), Some(second)) = (old.date("auth_time"), new.date("auth_time"))
        && second.floor() < first.floor()
    {
        return wrong("its auth_time is before the first one's");
    }
    if let (Some(first), Some(second)) = (old.get("nonce"), new.get("nonce"))
        && first != second
    {
        return wrong("its nonce is not the first one's");
    }
    if old.get("azp") != new.get("azp") {
        return wrong("its azp is not the first one's, or is in one of the two only");
    }
    let kept = old.audiences().unwrap_or_default();
    let found = new.audiences().unwrap_or_default();
    match kept.iter().all(|audience| found.contains(audience)) {
        true => Ok(()),
        false => wrong("its aud lacks one of the first one's"),
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use oauth_core::{
        Endpoint, HttpClient, HttpError, LoginOptions, Provider, Spec,
        bytes::Bytes,
        http,
        provider_kit::{LoginSpec, ProfileSpec, Restriction, hmac_sha256_base64},
        serde_json::json,
    };

    use super::*;
    use crate::{
        algorithm::Algorithm,
        issuer::Tenants,
        openid_connect::MetadataSource,
        policy::VerificationPolicy,
        testing::{self, Stopped, policy},
    };

    const ISSUER: &str = "https://op.example";
    const SECRET: &str = "a secret that is long enough to sign with";

    const SPEC: Spec = Spec {
        name: "op",
        issuer: Some(ISSUER),
        endpoints: &[
            (Endpoint::Authorization, "https://op.example/auth"),
            (Endpoint::Token, "https://op.example/token"),
            (Endpoint::Profile, "https://op.example/userinfo"),
        ],
        login: LoginSpec {
            restrictions: &[
                Restriction::parameter("domain", ConfirmedBy::IdToken, |asked, claims| {
                    Restriction::same_at("/domain", asked, claims)
                }),
                Restriction::parameter("team", ConfirmedBy::Profile, |asked, profile| {
                    Restriction::same_at("/team", asked, profile)
                }),
            ],
            ..LoginSpec::RFC6749
        },
        ..Spec::OPENID
    };
    /// A provider whose profile is an API of its own.
    const API: Spec = Spec { profile: ProfileSpec { id_at: "/id", ..Spec::OPENID.profile }, ..SPEC };

    fn client(spec: &Spec, policy: VerificationPolicy) -> OAuth2 {
        let protocol = OpenIDConnect::new(MetadataSource::Spec, policy);
        OAuth2::from_spec(spec, "app", SECRET).with_participant(protocol).with_clock(Stopped)
    }

    fn protocol(client: &OAuth2) -> &OpenIDConnect {
        client.participant().unwrap()
    }

    /// A token that the client secret signed, with these claims in place of those of a good one.
    fn id_token(others: Value) -> String {
        let claims = Value::Object(testing::claims(others)).to_string();
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(r#"{"alg":"HS256"}"#), part(&claims));
        let tag = hmac_sha256_base64(SECRET, signed.as_bytes()).replace('+', "-").replace('/', "_");
        format!("{signed}.{}", tag.trim_end_matches('='))
    }

    fn token(others: Value) -> OAuth2Token {
        OAuth2Token::new("access").with_id_token(id_token(others))
    }

    async fn begun(client: &OAuth2, options: LoginOptions) -> LoginAttempt {
        client.start_login("https://app.example/callback", options).await.unwrap().attempt
    }

    fn asks_for_openid(attempt: &LoginAttempt) -> bool {
        attempt.scopes().any(|scope| scope == "openid")
    }

    #[tokio::test]
    async fn id_14_what_an_id_token_confirms_is_asked_for_with_one() {
        let client = client(&SPEC, policy());
        for (params, asks) in
            [(json!({"domain": "a.example"}), true), (json!({"team": "1"}), false), (json!({}), false)]
        {
            let options = LoginOptions::new().scopes(["email"]).extras_params(&params);
            assert_eq!(asks_for_openid(&begun(&client, options).await), asks, "{params}");
        }
    }

    #[tokio::test]
    async fn id_12_a_login_that_must_bring_an_id_token_has_a_nonce() {
        for (policy, scope, expects) in [
            (policy(), "email", false),
            (policy(), "openid", true),
            (policy(), "email openid", true),
            (policy().id_token_always(), "email", true),
            (policy().openid_always(), "email", true),
        ] {
            let client = client(&SPEC, policy);
            let attempt = begun(&client, LoginOptions::new().scopes([scope])).await;
            assert_eq!(attempt.nonce().is_some(), expects, "{scope}");
            assert_eq!(protocol(&client).expects_id_token(&attempt), expects, "{scope}");
        }
        let client = client(&SPEC, policy());
        let hybrid = LoginOptions::new().scopes(["email"]).response_type(ResponseType::CodeIdToken);
        let attempt = begun(&client, hybrid).await;
        assert!(asks_for_openid(&attempt) && attempt.nonce().is_some());
    }

    #[tokio::test]
    async fn id_15_whether_the_user_signed_in_anew_is_checked_where_an_id_token_tells() {
        for (policy, scope, checked) in [
            (policy(), "openid", true),
            (policy(), "email", false),
            (policy().prompt_login_unverified(), "openid", false),
        ] {
            let client = client(&SPEC, policy);
            let attempt = begun(&client, LoginOptions::new().scopes([scope]).prompt("login")).await;
            assert_eq!(attempt.max_age().is_some(), checked, "{scope}");
        }
    }

    /// Answers with this ID token.
    #[derive(Debug)]
    struct Answers(String);

    #[async_trait]
    impl HttpClient for Answers {
        async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
            let reply = json!({"access_token": "access", "token_type": "Bearer", "id_token": self.0});
            Ok(http::Response::new(reply.to_string().into()))
        }
    }

    #[tokio::test]
    async fn cb_10_the_callbacks_issuer_is_compared_with_the_tokens_if_a_token_may_name_it() {
        // The callback always names the first.
        let (first, second, third) = (ISSUER, "https://b.example", "https://c.example");
        for (accepted, named, is_good) in [
            (&[first, second][..], first, true),
            (&[first, second], second, false),
            (&[second], second, true),
            (&[second, third], third, true),
        ] {
            let issuers = Issuers::OneOf(accepted.iter().map(ToString::to_string).collect());
            let policy = policy().algorithms([Algorithm::HS256]).issuers(issuers);
            let client = client(&SPEC, policy);
            let attempt = begun(&client, LoginOptions::new()).await;
            let id_token = id_token(json!({"iss": named, "nonce": attempt.nonce()}));
            let callback = Callback::from_query(&format!("code=c&state={}&iss={first}", attempt.state()));
            let outcome = client.with_http_client(Answers(id_token)).finish_login(attempt, callback).await;
            let check = outcome.err().map(|error| error.jwt_check());
            assert_eq!(check, (!is_good).then_some(Some(JwtCheck::Agreement)), "{accepted:?} {named}");
        }
    }

    #[tokio::test]
    async fn the_issuer_of_a_user_is_looked_for_only_where_it_may_be_another() {
        let several =
            || policy().issuers(Issuers::OneOf(vec![ISSUER.to_owned(), "https://b.example".to_owned()]));
        let with = |policy: VerificationPolicy| policy.algorithms([Algorithm::HS256]);
        let moved = |client: OAuth2| {
            client.with_endpoints(|all| all.with(Endpoint::Token, "https://elsewhere.example/token"))
        };
        let issuer =
            async |client: &OAuth2, token: &OAuth2Token| protocol(client).issuer_of(client, token).await;
        // Nothing verifies this one, so whoever looks at it fails.
        let forged = OAuth2Token::new("access").with_id_token("a.b.c");
        for client in [client(&SPEC, with(policy())), client(&API, with(several()))] {
            assert_eq!(issuer(&client, &forged).await.unwrap(), None);
        }
        for client in [client(&SPEC, with(several())), moved(client(&SPEC, with(policy())))] {
            assert!(issuer(&client, &forged).await.is_err());
            assert_eq!(issuer(&client, &token(json!({}))).await.unwrap().as_deref(), Some(ISSUER));
        }
        let without = OAuth2Token::new("access");
        assert_eq!(issuer(&moved(client(&SPEC, policy())), &without).await.unwrap(), None);
        assert!(issuer(&client(&SPEC, several()), &without).await.is_err());
    }

    #[test]
    fn a_token_may_name_another_issuer_than_the_client_does_where_one_is_listed_first() {
        let named = |issuers: Issuers| {
            let client = client(&SPEC, policy().issuers(issuers));
            protocol(&client).is_named_otherwise(&client)
        };
        let other = || "https://b.example".to_owned();
        assert!(named(Issuers::Aliases(vec![other(), ISSUER.to_owned()])));
        assert!(!named(Issuers::Aliases(vec![ISSUER.to_owned(), other()])));
        assert!(named(Issuers::OneOf(vec![other()])));
        let tenants =
            Issuers::Tenants { template: "https://op.example/{tenantid}".to_owned(), tenants: Tenants::Any };
        assert!(!named(tenants));
    }

    #[tokio::test]
    async fn a_profile_of_an_api_is_compared_with_the_token_if_both_say_whose_they_are() {
        let check = async |policy: VerificationPolicy, claims: Value, profile: Value| {
            let client = client(&API, policy.profile_id_claim("oid"));
            protocol(&client).check_profile(&client, &token(claims), &profile).await.is_ok()
        };
        assert!(check(policy(), json!({"oid": "1"}), json!({"id": "1"})).await);
        assert!(!check(policy(), json!({"oid": "1"}), json!({"id": "2"})).await);
        assert!(check(policy(), json!({}), json!({"id": "1"})).await);
        // Where the token decides who may sign in, it must say so.
        assert!(!check(policy().require_claim("hd", ["a.example"]), json!({}), json!({"id": "1"})).await);
    }

    #[tokio::test]
    async fn a_refresh_is_not_refused_for_an_issuer_while_nobody_has_said_which_are_accepted() {
        for (tenants, is_refused) in
            [(Tenants::Undecided, false), (Tenants::OneOf(vec!["1".to_owned()]), true)]
        {
            let template = "https://op.example/{tenantid}".to_owned();
            let client = client(
                &SPEC,
                policy().algorithms([Algorithm::HS256]).issuers(Issuers::Tenants { template, tenants }),
            );
            let mut token = token(json!({"iss": "https://op.example/2", "tid": "2"}));
            let checked = protocol(&client).check_refresh(&client, &mut token).await;
            assert_eq!(checked.is_err(), is_refused);
            assert_eq!(token.rejected_id_token().is_some(), !is_refused);
        }
    }

    fn claims(claims: &Value) -> Claims {
        claims.as_object().unwrap().clone()
    }

    #[test]
    fn an_id_token_of_a_refresh_continues_the_first_one() {
        for (old, new, is_good) in [
            (json!({"auth_time": 10}), json!({"auth_time": 10}), true),
            (json!({"auth_time": 10.9}), json!({"auth_time": 10.2}), true),
            (json!({"auth_time": 10}), json!({"auth_time": 11}), true),
            (json!({"auth_time": 10}), json!({"auth_time": 9.9}), false),
            (json!({"auth_time": 10}), json!({}), true),
            (json!({"nonce": "n"}), json!({"nonce": "n"}), true),
            (json!({"nonce": "n"}), json!({}), true),
            (json!({"nonce": "n"}), json!({"nonce": "m"}), false),
            (json!({"azp": "a"}), json!({"azp": "a"}), true),
            (json!({"azp": "a"}), json!({"azp": "b"}), false),
            (json!({"azp": "a"}), json!({}), false),
            (json!({}), json!({"azp": "a"}), false),
            (json!({"aud": ["a", "b"]}), json!({"aud": ["b", "c", "a"]}), true),
            (json!({"aud": ["a", "b"]}), json!({"aud": "a"}), false),
        ] {
            assert_eq!(successor(&claims(&old), &claims(&new)).is_ok(), is_good, "{old} {new}");
        }
    }

    #[test]
    fn two_tokens_of_one_login_name_one_user() {
        let own = claims(&json!({"iss": "i", "sub": "s"}));
        for (other, agrees, may_be_the_same) in [
            (json!({"iss": "i", "sub": "s", "x": 1}), true, true),
            (json!({"iss": "j", "sub": "s"}), false, false),
            (json!({"iss": "i", "sub": "t"}), false, false),
            (json!({"iss": "i"}), false, true),
        ] {
            assert_eq!(agree(&own, &claims(&other), "the first one's").is_ok(), agrees, "{other}");
            assert_eq!(
                same_user(&own, &claims(&other), "the first one's").is_ok(),
                may_be_the_same,
                "{other}"
            );
        }
    }
}
