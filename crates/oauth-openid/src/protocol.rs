use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use oauth_core::{
    Callback, ClientAuth, CodeChallengeMethod, Endpoint, Endpoints, Error, ErrorKind, Identity, JwtCheck,
    JwtError, JwtUse, Login, LoginAttempt, OAuth2, OAuth2Token, Operation, Participant, Pkce, Reply,
    ResponseType, RestrictedTo, Result, async_trait,
    http::{Method, header::CONTENT_TYPE},
    provider_kit::{ConfirmedBy, text_at},
    serde_json::Value,
};

use crate::{
    discovery::Discovered,
    extension::VERIFY_ID_TOKEN,
    id_token::{Expectations, IdToken, audiences, seconds},
    issuer::{self, Issuers},
    jws::{self, Jws, Refusal, quoted, shown},
    key_store::KeyStore,
    members::{Claim, Members},
    metadata::ProviderMetadata,
    policy::{Expected, VerificationPolicy},
    verify,
};

/// OpenID Connect on top of the generic client: what a provider crate gives to its `OAuth2`, by way of
/// [`client!`](crate::client).
pub struct OpenIDConnect {
    pub(crate) policy: VerificationPolicy,
    pub(crate) source: Source,
    pub(crate) keys: Arc<KeyStore>,
    /// The client that was made ready last, with the one that it was made of, and the metadata.
    ready: Mutex<Option<Ready>>,
}

/// Where endpoints come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The provider's description.
    Spec,
    /// Metadata that the application wrote or kept.
    Given(Arc<ProviderMetadata>),
    /// Discovery.
    Discovered(Arc<Discovered>),
}

struct Ready {
    of: OAuth2,
    metadata: Arc<ProviderMetadata>,
    client: OAuth2,
}

impl OpenIDConnect {
    pub(crate) fn new(source: Source, policy: VerificationPolicy) -> Self {
        Self { policy, source, keys: Arc::default(), ready: Mutex::default() }
    }

    /// A protocol with another policy. Keys and metadata that were read stay.
    pub(crate) fn with_policy(&self, policy: VerificationPolicy) -> Self {
        Self { policy, source: self.source.clone(), keys: self.keys.clone(), ready: Mutex::default() }
    }

    /// The provider's metadata, if the client has any.
    pub(crate) async fn metadata(&self, client: &OAuth2) -> Result<Option<Arc<ProviderMetadata>>> {
        match &self.source {
            Source::Spec => Ok(None),
            Source::Given(metadata) => Ok(Some(metadata.clone())),
            Source::Discovered(discovered) => discovered.get(client, &self.policy).await.map(Some),
        }
    }

    /// Verifies an ID token.
    pub(crate) async fn verify_id_token(
        &self,
        client: &OAuth2,
        operation: Operation,
        token: &str,
        expected: &Expectations,
    ) -> Result<IdToken> {
        let context = verify::Context { client, operation, token: JwtUse::IdToken };
        let verified = self.verify(&context, token, self.policy.encryption.id_token).await?;
        expected
            .check(&verified.claims, verified.algorithm, client.client_id(), &self.policy)
            .map_err(|refusal| context.refuse(refusal))?;
        self.check_user(client, operation, &verified.claims)?;
        let identity = self.identity(client, &verified.claims)?;
        Ok(IdToken::verified(&verified.signed, verified.claims, identity))
    }

    /// The identity that verified claims give. Its key is the token's own `iss` and `sub` (Core sections 2 and 5.7), but for an issuer
    /// that goes by several names.
    fn identity(&self, client: &OAuth2, claims: &Members) -> Result<Identity> {
        let named = claims.text("iss").unwrap_or_default();
        let issuers = self.policy.issuers.as_ref();
        let known = issuers.map_or(named, |issuers| issuers.known_as(named));
        let issuer = match issuers.is_some_and(Issuers::are_several) {
            true => known,
            false => client.chosen_identity_issuer().unwrap_or(known),
        };
        let identity = client.identity_of_claims(issuer, Value::Object(claims.to_map()))?;
        Ok(match client.issuer() {
            // Until there were several, users of all of them were known under the client's.
            Some(former) if !self.has_tenants() => identity.with_former_issuer(former),
            _ => identity,
        })
    }

    /// That the user of verified claims is one who may sign in with this client, as far as the claims must tell.
    fn check_user(&self, client: &OAuth2, operation: Operation, claims: &Members) -> Result<()> {
        let own = client.restricted_to();
        if own.is_empty() && self.policy.tenant_claim.is_none() && self.policy.required_claims.is_empty() {
            return Ok(());
        }
        let context = verify::Context { client, operation, token: JwtUse::IdToken };
        let refuse = |reason: String| Err(context.refuse((JwtCheck::Restriction, reason)));
        let claims = Value::Object(claims.to_map());
        if let Err(reason) = self.policy.check_user(&claims) {
            return refuse(reason);
        }
        for one in own {
            let named = client.spec().restrictions.iter().find(|restriction| restriction.name == one.name);
            let Some(restriction) = named else { continue };
            let asked = format!("{}={}", one.name, one.value);
            match ((restriction.is_met)(&one.value, &claims), restriction.confirmed_by) {
                (Some(true), _) => {}
                (Some(false), ConfirmedBy::IdToken | ConfirmedBy::IdTokenOrProfile) => {
                    return refuse(format!("it is of another user than {asked} allows"));
                }
                // The one of a refresh may say less; an identity is not made of it before another has said it.
                (None, ConfirmedBy::IdToken) if operation != Operation::REFRESH_TOKEN => {
                    return refuse(format!("nothing in it confirms {asked}"));
                }
                // The profile will tell, where one is read.
                _ if operation == VERIFY_ID_TOKEN => {
                    let problem =
                        format!("an ID token alone does not tell whether its user may sign in ({asked})");
                    return Err(client.error(operation, ErrorKind::Configuration(problem)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// That a token names an issuer that it may name, or what is wrong.
    pub(crate) fn check_issuer(&self, client: &OAuth2, claims: &Members) -> Result<(), String> {
        match &self.policy.issuers {
            Some(issuers) => issuers.check(claims),
            None => issuer::check_one_of(client.issuer().into_iter(), claims),
        }
    }

    /// Reads UserInfo, plain or signed (OpenID Connect Core section 5.3).
    async fn userinfo(&self, client: &OAuth2, access_token: &str) -> Result<Value> {
        let operation = Operation::GET_PROFILE;
        let url = client.profile_endpoint()?;
        let mut call = client.request(operation, Method::GET, url).bearer(access_token);
        if self.policy.userinfo == Expected::Signed {
            call = call.header("accept", "application/jwt");
        }
        let reply = call.send().await?;
        if reply.status() != 200 {
            return Err(reply.malformed("UserInfo comes with HTTP 200"));
        }
        let signed = is_jwt(&reply);
        let context = verify::Context { client, operation, token: JwtUse::UserInfo };
        match (self.policy.userinfo, signed) {
            (Expected::Signed, false) => {
                let reason = "it is not signed, though the client registered that it should be".to_owned();
                return Err(context.refuse((JwtCheck::Encryption, reason)));
            }
            (Expected::Plain, true) => {
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

    async fn signed_userinfo(&self, context: &verify::Context<'_>, reply: &Reply) -> Result<Value> {
        let refuse = |refusal: Refusal| context.refuse(refusal);
        let text = std::str::from_utf8(reply.body().trim_ascii())
            .map_err(|_| refuse((JwtCheck::Form, "it is not text".to_owned())))?;
        let verified = self.verify(context, text, self.policy.encryption.userinfo).await?;
        let claims = verified.claims;
        // `aud` and `exp` are for the provider to send (section 5.3.2), and to be right if they are there.
        if claims.has("aud")
            && !audiences(&claims).is_some_and(|audiences| audiences.contains(&context.client.client_id()))
        {
            let reason = format!("its aud is {}, which is not this client", shown(claims.get("aud")));
            return Err(refuse((JwtCheck::Audience, reason)));
        }
        let now = seconds(self.policy.clock.now());
        if claims.has("exp")
            && claims.date("exp").is_none_or(|exp| exp + self.policy.leeway.as_secs_f64() <= now)
        {
            return Err(refuse((JwtCheck::Expiry, "it has expired".to_owned())));
        }
        Ok(Value::Object(claims.to_map()))
    }

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

    /// Whether the provider's tenants have issuers of their own.
    fn has_tenants(&self) -> bool {
        matches!(self.policy.issuers, Some(Issuers::Tenants { .. }))
    }

    /// Whether the profile endpoint is UserInfo and not the provider's own API.
    fn has_userinfo(client: &OAuth2) -> bool {
        client.spec().id_at == "/sub"
    }

    pub(crate) fn make_ready(&self, client: &OAuth2, metadata: &ProviderMetadata) -> Result<OAuth2> {
        let at = |error: Error| error.at(client.name().to_owned());
        metadata.check(client).map_err(at)?;
        let public = client.credentials().are_none();
        let mut ready = client.clone();
        let mut found = metadata.endpoints();
        // An authentication of the application's own, such as a signed assertion, is not chosen from the provider's list.
        if client.credentials().own_authentication().is_none() {
            if client.chosen_client_auth().is_none() {
                ready.set_client_auth(metadata.client_auth("token_endpoint", public).map_err(at)?);
            }
            // A provider whose revocation cannot be used is still one to sign in with.
            match metadata.client_auth("revocation_endpoint", public) {
                _ if client.revoke_auth().is_some() => {}
                Ok(auth) if Some(auth) != ready.chosen_client_auth() => ready.set_revoke_auth(auth),
                Ok(_) => {}
                Err(_) => found = found.without(Endpoint::Revocation),
            }
        }
        ready.set_mtls_endpoints(metadata.mtls_endpoints());
        metadata.check_schemes(&found).map_err(at)?;
        ready.set_endpoints(client.endpoints().clone().or(found));
        if let Some(chosen) = client.chosen_issuer().filter(|chosen| *chosen != metadata.issuer()) {
            let problem = format!(
                "the issuer was set to {chosen:?}, but that of the provider's metadata is {}",
                quoted(metadata.issuer())
            );
            return Err(client.error(Operation::DISCOVER, ErrorKind::Configuration(problem)));
        }
        ready.set_issuer(metadata.issuer().to_owned());
        if metadata.flag("authorization_response_iss_parameter_supported") {
            ready.require_callback_issuer();
        }
        if let Some(demand) = metadata.demand_on_requests() {
            ready.refuse_authorization_requests(format!(
                "the provider takes {demand} only, which this library cannot make yet"
            ));
        }
        if metadata.allows_http {
            ready.dangerously_allow_plain_http();
        }
        ready.check_endpoints()?;
        Ok(ready)
    }

    fn remembered(&self, client: &OAuth2, metadata: &Arc<ProviderMetadata>) -> Option<OAuth2> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = ready.as_ref()?;
        (ready.of.is_same(client) && Arc::ptr_eq(&ready.metadata, metadata)).then(|| ready.client.clone())
    }

    /// Whether nothing is left to do: there is nothing to discover, or this has made the client ready.
    pub(crate) fn is_ready(&self, client: &OAuth2) -> bool {
        if !matches!(self.source, Source::Discovered(_)) {
            return true;
        }
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.as_ref().is_some_and(|ready| ready.client.is_same(client))
    }

    /// Whether a login or a refresh must bring an ID token.
    fn expects_id_token(&self, attempt: &LoginAttempt) -> bool {
        self.policy.id_token_always
            || self.policy.openid_always
            || attempt.response_type() == ResponseType::CodeIdToken
            || attempt.scopes().flat_map(|scope| scope.split([' ', ','])).any(|scope| scope == "openid")
    }
}

#[async_trait]
impl Participant for OpenIDConnect {
    async fn ready(&self, client: &OAuth2) -> Result<OAuth2> {
        if self.is_ready(client) {
            return Ok(client.clone());
        }
        let Some(metadata) = self.metadata(client).await? else { return Ok(client.clone()) };
        if let Some(ready) = self.remembered(client, &metadata) {
            return Ok(ready);
        }
        let ready = self.make_ready(client, &metadata)?;
        let of = client.clone();
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Ready { of, metadata, client: ready.clone() });
        Ok(ready)
    }

    fn begin(&self, client: &OAuth2, mut attempt: LoginAttempt) -> Result<LoginAttempt> {
        let restricts = self.restricts(client).map_err(|error| error.during(Operation::START_LOGIN))?;
        let by_id_token = |one: &RestrictedTo| {
            let named = client.spec().restrictions.iter().find(|restriction| restriction.name == one.name);
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
        Ok(Some(Value::Object(id_token.claims.to_map())))
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
        let context = verify::Context { client, operation, token: JwtUse::IdToken };
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
        let context = verify::Context { client, operation, token: JwtUse::IdToken };
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
            let first = self.payload(first).map_err(|refusal| context.refuse(refusal))?;
            agree(&first, &id_token.claims, "the callback's")
                .and_then(|()| same_event(&first, &id_token.claims))
                .map_err(|refusal| context.refuse(refusal))?;
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
        match self.verify_id_token(client, Operation::REFRESH_TOKEN, id_token, &expected).await {
            Ok(_) => Ok(()),
            // The keys cannot be had just now, or the client was never told what to accept. The refresh token that was redeemed
            // is spent, so its successor must not be lost with an ID token that nobody needs.
            Err(error) if is_no_verdict(self, &error) => {
                *token = token.clone().without_id_token();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn check_successor(&self, client: &OAuth2, old: &OAuth2Token, new: &OAuth2Token) -> Result<()> {
        let (Some(old), Some(new)) = (old.id_token(), new.id_token()) else { return Ok(()) };
        let context = verify::Context { client, operation: Operation::REFRESH_TOKEN, token: JwtUse::IdToken };
        // One that was stored by something else may be anything; there is nothing to compare with then.
        let (Ok(old), Ok(new)) = (self.payload(old), self.payload(new)) else { return Ok(()) };
        agree(&old, &new, "the first one's")
            .and_then(|()| successor(&old, &new))
            .map_err(|refusal| context.refuse(refusal))
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

    async fn get_profile(&self, client: &OAuth2, access_token: &str) -> Result<Option<Value>> {
        match Self::has_userinfo(client) {
            true => self.userinfo(client, access_token).await.map(Some),
            false => Ok(None),
        }
    }

    fn check_profile(&self, client: &OAuth2, token: &OAuth2Token, profile: &Value) -> Result<()> {
        let claim = match (Self::has_userinfo(client), self.policy.profile_id_claim) {
            (true, _) => "sub",
            (false, Some(claim)) => claim,
            (false, None) => return Ok(()),
        };
        let Some(id_token) = token.id_token() else { return Ok(()) };
        // It was verified when the token came. Even if it was not: a comparison can only refuse more.
        let Ok(claims) = self.payload(id_token) else { return Ok(()) };
        let is_same = match (Self::has_userinfo(client), claims.get(claim)) {
            // UserInfo must have the token's in any case, and to the letter.
            (true, own) => own == profile.get(claim).map(Claim::from),
            // An API's identifier is compared where the token has it. Some are numbers there. Where the token decides who may
            // sign in, it must have it.
            (false, None) => !matches!(self.policy.restricts(), Ok(true)),
            (false, Some(own)) => {
                let id = text_at(profile, client.spec().id_at);
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

/// Whether an ID token could not be judged, which is not the same as a judgement against it.
fn is_no_verdict(protocol: &OpenIDConnect, error: &Error) -> bool {
    protocol.policy.restricts().is_err() || !matches!(error.kind(), ErrorKind::Jwt(_))
}

/// Whether UserInfo is a JWT by its content type.
fn is_jwt(reply: &Reply) -> bool {
    let kind = reply.header(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/jwt")
}

/// That two tokens are of one user of one issuer.
fn agree(one: &Members, other: &Members, whose: &str) -> Result<(), Refusal> {
    for name in ["iss", "sub"] {
        if one.get(name) != other.get(name) {
            return Err((JwtCheck::Agreement, format!("its {name} is not {whose}")));
        }
    }
    Ok(())
}

/// That both tokens of a hybrid login tell of one authentication of one user (OpenID Connect Core section 3.3.3.6). Other claims
/// may be of the token alone.
fn same_event(first: &Members, second: &Members) -> Result<(), Refusal> {
    const EVENT_AND_USER: &[&str] =
        &["auth_time", "acr", "amr", "azp", "sid", "email", "email_verified", "phone_number"];
    for name in EVENT_AND_USER {
        if let (Some(one), Some(other)) = (first.get(name), second.get(name))
            && one != other
        {
            return Err((JwtCheck::Agreement, format!("its {name} is not the callback's")));
        }
    }
    Ok(())
}

/// What else OpenID Connect Core section 12.2 says of an ID token that comes with a refresh.
fn successor(old: &Members, new: &Members) -> Result<(), Refusal> {
    let wrong = |what: &str| Err((JwtCheck::Agreement, what.to_owned()));
    for name in ["auth_time", "nonce"] {
        if let (Some(first), Some(other)) = (old.get(name), new.get(name))
            && first != other
        {
            return wrong(&format!("its {name} is not the first one's"));
        }
    }
    if old.get("azp") != new.get("azp") {
        return wrong("its azp is not the first one's, be it there or not");
    }
    let kept = audiences(old).unwrap_or_default();
    let found = audiences(new).unwrap_or_default();
    match kept.iter().all(|audience| found.contains(audience)) {
        true => Ok(()),
        false => wrong("its aud lacks one of the first one's"),
    }
}

impl OpenIDConnect {
    /// The claims of a token that was verified before, decrypted if need be.
    fn payload(&self, token: &str) -> Result<Members, Refusal> {
        match jws::parts(token) {
            5 => Ok(Jws::parse(&self.decrypted(token)?)?.claims),
            _ => Ok(Jws::parse(token)?.claims),
        }
    }
}

impl fmt::Debug for OpenIDConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIDConnect").field("source", &self.source).finish_non_exhaustive()
    }
}

/// How a public or confidential client may authenticate, of those methods that this library knows.
impl ProviderMetadata {
    /// The first method in the provider's list that the client knows, and `client_secret_basic` where there is no list
    /// (OpenID Connect Discovery section 3, RFC 8414 section 2).
    pub(crate) fn client_auth(&self, endpoint: &str, public: bool) -> Result<ClientAuth> {
        if public {
            return Ok(ClientAuth::None);
        }
        let list = format!("{endpoint}_auth_methods_supported");
        let Some(methods) = self.list(&list) else { return Ok(ClientAuth::Basic) };
        let known = [ClientAuth::Basic, ClientAuth::Post];
        let first =
            methods.iter().find_map(|method| known.into_iter().find(|known| known.as_str() == *method));
        first.ok_or_else(|| {
            Error::configuration(
                "openid",
                format!(
                    "{list} has neither client_secret_basic nor client_secret_post, but {}",
                    quoted(&methods.join(", "))
                ),
            )
        })
    }

    fn check(&self, client: &OAuth2) -> Result<()> {
        for (endpoint, name) in
            [(Endpoint::Token, "token_endpoint"), (Endpoint::Authorization, "authorization_endpoint")]
        {
            if client.endpoints().get(endpoint).is_none() {
                self.required(name)?;
            }
        }
        if client.pkce() == Pkce::Challenge(CodeChallengeMethod::S256) && self.rules_out_s256() {
            return Err(Error::configuration(
                "openid",
                "the provider's code_challenge_methods_supported has no S256; a login there could not be protected",
            ));
        }
        Ok(())
    }

    /// That a provider elsewhere does not send the client's requests to this machine: plain http on loopback is for providers
    /// that are there themselves.
    fn check_schemes(&self, found: &Endpoints) -> Result<()> {
        if self.allows_http || self.issuer().starts_with("http://") {
            return Ok(());
        }
        let mut plain = None;
        let _ = found.clone().map(|url| {
            if !url.starts_with("https://") {
                plain.get_or_insert_with(|| url.split(['?', '#']).next().unwrap_or_default().to_owned());
            }
            url.to_owned()
        });
        match plain {
            None => Ok(()),
            Some(url) => Err(Error::configuration(
                "openid",
                format!("the provider's metadata names {}, which is not https", quoted(&url)),
            )),
        }
    }

    /// The endpoints for mutual TLS (RFC 8705 section 5), those that are https.
    fn mtls_endpoints(&self) -> Endpoints {
        let aliases = self.members().get("mtls_endpoint_aliases");
        let of_document = |endpoint: Endpoint| {
            let url = aliases?.get(endpoint.metadata_name()?)?.as_str()?;
            url.starts_with("https://").then(|| (endpoint, url.to_owned()))
        };
        DISCOVERED.iter().copied().filter_map(of_document).collect()
    }

    fn endpoints(&self) -> Endpoints {
        let of_document = |endpoint: Endpoint| {
            let url = self.text(endpoint.metadata_name()?)?;
            Some((endpoint, url.to_owned()))
        };
        let endpoints = Endpoints::from_iter(DISCOVERED.iter().copied().filter_map(of_document));
        if self.supports_refresh() { endpoints } else { endpoints.without(Endpoint::Refresh) }
    }
}

/// The endpoints that a provider's metadata names.
const DISCOVERED: &[Endpoint] = &[
    Endpoint::Authorization,
    Endpoint::Token,
    Endpoint::Refresh,
    Endpoint::Revocation,
    Endpoint::Introspection,
    Endpoint::DeviceAuthorization,
    Endpoint::Profile,
    Endpoint::Jwks,
    Endpoint::EndSession,
];
