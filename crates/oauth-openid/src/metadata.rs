use oauth_core::{
    Error, Result,
    serde_json::{Map, Value},
};

/// What a provider says of itself (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2).
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderMetadata {
    issuer: String,
    members: Map<String, Value>,
    pub(crate) allows_http: bool,
}

impl ProviderMetadata {
    /// Takes metadata that was written by hand or kept from an earlier request.
    ///
    /// # Errors
    ///
    /// A configuration error unless it is an object with a string `issuer`.
    pub fn new(document: Value) -> Result<Self> {
        let wrong = |message: &str| Error::configuration("openid", message);
        let Value::Object(members) = document else { return Err(wrong("the metadata is not a JSON object")) };
        let issuer = members.get("issuer").and_then(Value::as_str).filter(|issuer| !issuer.is_empty());
        let issuer = issuer.ok_or_else(|| wrong("the metadata has no string issuer"))?.to_owned();
        Ok(Self { issuer, members, allows_http: false })
    }

    /// Lets the client of this metadata send secrets over plain http as well, where everybody on the way can read them. For
    /// test networks only.
    #[must_use]
    pub fn dangerously_allow_plain_http(mut self) -> Self {
        self.allows_http = true;
        self
    }

    /// The issuer identifier, byte for byte as the provider writes it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// All members, as they came.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// A member that is a string. One of another type, where the member is optional, counts as absent.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        self.members.get(member)?.as_str().filter(|text| !text.is_empty())
    }

    pub(crate) fn required(&self, member: &str) -> Result<&str> {
        self.text(member)
            .ok_or_else(|| Error::configuration("openid", format!("the provider's metadata has no {member}")))
    }

    /// The texts in a member that is a list. What else stands in it is left out.
    #[must_use]
    pub fn list(&self, member: &str) -> Option<Vec<&str>> {
        Some(self.members.get(member)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    /// Whether a member is there and true.
    #[must_use]
    pub fn flag(&self, member: &str) -> bool {
        self.members.get(member) == Some(&Value::Bool(true))
    }

    /// Whether refresh tokens can be redeemed. A provider that lists no grants may well do it; one that lists them and
    /// leaves it out does not.
    pub(crate) fn supports_refresh(&self) -> bool {
        self.list("grant_types_supported").is_none_or(|grants| grants.contains(&"refresh_token"))
    }

    /// Which authorization requests alone the provider takes, if not plain ones (RFC 9126 section 5, RFC 9101 section 10.5). Whatever
    /// is not a plain no counts as yes.
    pub(crate) fn demand_on_requests(&self) -> Option<&'static str> {
        let demands = [
            ("require_pushed_authorization_requests", "pushed authorization requests (RFC 9126)"),
            ("require_signed_request_object", "signed authorization requests (RFC 9101)"),
        ];
        let is_demanded =
            |name: &str| !matches!(self.members.get(name), None | Some(Value::Null | Value::Bool(false)));
        demands.into_iter().find(|(name, _)| is_demanded(name)).map(|(_, demand)| demand)
    }

    pub(crate) fn rules_out_s256(&self) -> bool {
        self.list("code_challenge_methods_supported").is_some_and(|methods| !methods.contains(&"S256"))
    }
}
