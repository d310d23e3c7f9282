//! Which of a grant's access tokens is wanted.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use oauth_core::serde_json::{self, Value};
use serde::{Deserialize, Serialize};

use crate::calendar::A_YEAR;

/// Which access token of a grant is wanted, where it is not the one of the login: one for other scopes, for another resource
/// (RFC 8707), for another audience or for fewer authorization details (RFC 9396).
///
/// All access tokens of a grant share its one refresh token. The order of the scopes and of the resources does not matter: two
/// requests for the same ones get the same token.
///
/// ```
/// use oauth_tokens::{AccessTokenRequest, TokenKey, TokenManager};
///
/// # async fn f(tokens: TokenManager) -> Result<(), oauth_tokens::TokenError> {
/// let mail = AccessTokenRequest::new().with_scopes(["https://graph.microsoft.com/Mail.Read"]);
/// let vault = AccessTokenRequest::new().with_scopes(["https://vault.azure.net/.default"]);
/// let key = TokenKey::new("microsoft", "user-17");
/// let (for_mail, for_vault) = (tokens.get_for(&key, &mail).await?, tokens.get_for(&key, &vault).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct AccessTokenRequest {
    wanted: Arc<Wanted>,
    valid_for: Option<Duration>,
    rejected: Option<Arc<str>>,
}

/// What an access token is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// In their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    /// In their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    /// Authorization details as JSON, in a form that is the same for the same details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<String>,
}

impl AccessTokenRequest {
    /// A request for the access token of the login.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for these scopes, in place of those that the user has granted. Without scopes, the provider grants all of them.
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        Arc::make_mut(&mut self.wanted).scopes = in_order(scopes.into_iter().map(Into::into));
        self
    }

    /// Asks for a token that this resource accepts, named by a URI (RFC 8707 section 2.2). Can be called for several.
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        let wanted = Arc::make_mut(&mut self.wanted);
        let resources = std::mem::take(&mut wanted.resources).into_iter();
        wanted.resources = in_order(resources.chain([resource.into()]));
        self
    }

    /// Asks for a token for this audience, by the parameter that Auth0 and others call `audience`.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        let audience = audience.into();
        Arc::make_mut(&mut self.wanted).audience = (!audience.is_empty()).then_some(audience);
        self
    }

    /// Asks for a token for these authorization details, out of those that were granted (RFC 9396 section 6): a list of objects with a
    /// `type`. The order of the details, and of their members, does not matter.
    pub fn with_authorization_details(mut self, details: &impl Serialize) -> Self {
        // What cannot be written as JSON is refused as what it is when it is sent: no list of objects.
        let details = serde_json::to_value(details).unwrap_or_default();
        Arc::make_mut(&mut self.wanted).details = Some(canonical(details));
        self
    }

    /// Asks for a token that is live for at least this long; where the provider's tokens do not live that long, for a new one.
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.valid_for = Some(time.min(A_YEAR));
        self
    }

    /// Asks for another token than this one, which an API has refused with 401 and `invalid_token`. One that is only seconds old is
    /// returned all the same: the API would refuse its successor too.
    pub fn after_rejection(mut self, rejected: impl Into<String>) -> Self {
        self.rejected = Some(rejected.into().into());
        self
    }

    /// Returns the scopes that are asked for.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.wanted.scopes
    }

    /// Returns the resources that are asked for.
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.wanted.resources
    }

    /// Returns the audience that is asked for, if one is.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.wanted.audience.as_deref()
    }

    /// The parameters of a token request, without the scopes.
    pub(crate) fn parameters(&self) -> Vec<(&str, &str)> {
        let resources = self.resources().iter().map(|resource| ("resource", resource.as_str()));
        let details = self.wanted.details.as_deref().map(|details| ("authorization_details", details));
        resources.chain(self.audience().map(|audience| ("audience", audience))).chain(details).collect()
    }

    /// A request for a token that is for this.
    pub(crate) fn of(wanted: &Wanted) -> Self {
        Self { wanted: Arc::new(wanted.clone()), ..Self::default() }
    }

    /// What the token is for; `None` where it is the token of the login.
    pub(crate) fn wanted(&self) -> Option<&Arc<Wanted>> {
        (*self.wanted != Wanted::default()).then_some(&self.wanted)
    }

    pub(crate) fn least_lifetime(&self) -> Option<Duration> {
        self.valid_for
    }

    pub(crate) fn rejected(&self) -> Option<&str> {
        self.rejected.as_deref()
    }
}

/// A list of details as JSON, with details and members in order.
fn canonical(details: Value) -> String {
    match details {
        Value::Array(details) => {
            let mut texts: Vec<_> = details.into_iter().map(|detail| sorted(detail).to_string()).collect();
            texts.sort_unstable();
            format!("[{}]", texts.join(","))
        }
        other => other.to_string(),
    }
}

/// A value whose objects have their members in order, whatever order `serde_json` was built to keep.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> =
                members.into_iter().map(|(name, member)| (name, sorted(member))).collect();
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn in_order(texts: impl Iterator<Item = String>) -> Vec<String> {
    // A scope with spaces in it is a list that somebody has joined already; a URI has none.
    let mut all: Vec<_> =
        texts.flat_map(|text| text.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Does not show the token that was rejected.
impl fmt::Debug for AccessTokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokenRequest")
            .field("scopes", &self.wanted.scopes)
            .field("resources", &self.wanted.resources)
            .field("audience", &self.wanted.audience)
            .field("valid_for", &self.valid_for)
            .finish_non_exhaustive()
    }
}
