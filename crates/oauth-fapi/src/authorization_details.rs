//! Rich authorization requests (RFC 9396): what is asked for in detail, what was granted, and how the two compare.

use std::{collections::BTreeMap, fmt};

use oauth_core::OAuth2Token;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One of the things that an authorization is for (RFC 9396 section 2): a payment, access to certain accounts, a signature.
///
/// Its [`type`](Self::kind) says what its members mean; those of RFC 9396 section 2.2 have methods of their own.
///
/// ```
/// use oauth_fapi::AuthorizationDetail;
/// use serde_json::json;
///
/// let payment = AuthorizationDetail::new("payment_initiation")
///     .locations(["https://bank.example/payments"])
///     .actions(["initiate", "status"])
///     .set("instructedAmount", json!({"currency": "EUR", "amount": "123.50"}))
///     .set("creditorName", "Merchant123");
/// assert_eq!(payment.kind(), "payment_initiation");
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
#[must_use]
pub struct AuthorizationDetail(Map<String, Value>);

/// The details that an authorization is for, of one type or of several.
///
/// ```
/// use oauth_fapi::{AuthorizationDetail, AuthorizationDetails, GrantedDetails};
/// use oauth_fapi::oauth_core::{Login, LoginOptions};
///
/// # fn f(login: &Login) -> Result<(), Box<dyn std::error::Error>> {
/// let asked: AuthorizationDetails = [AuthorizationDetail::new("account_information")].into_iter().collect();
/// let options = LoginOptions::new().authorization_details(&asked);
/// // After the login: what was granted may be less, or have more in it, such as the accounts that the user chose.
/// match AuthorizationDetails::granted(&login.token)? {
///     GrantedDetails::Stated(granted) => println!("{} granted", granted.iter().count()),
///     _ => println!("the provider does not say"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
#[must_use]
pub struct AuthorizationDetails(Vec<AuthorizationDetail>);

/// What a token says of the details that it was granted for (RFC 9396 section 7).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GrantedDetails {
    /// Nothing. It does not mean that what was asked for was granted.
    NotStated,
    /// These.
    Stated(AuthorizationDetails),
}

/// Why something is not a list of authorization details.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("authorization_details is not a list of objects with a text `type` (RFC 9396 section 2)")]
pub struct DetailsError(());

impl AuthorizationDetail {
    /// A detail of this type, which the provider defines, and with nothing in it yet.
    pub fn new(kind: impl Into<String>) -> Self {
        let mut members = Map::new();
        members.insert(TYPE.to_owned(), Value::String(kind.into()));
        Self(members)
    }

    /// `type`: what the other members mean.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.get(TYPE).and_then(Value::as_str).unwrap_or_default()
    }

    /// `locations`: the resource servers that it is for.
    pub fn locations<S: Into<String>>(self, locations: impl IntoIterator<Item = S>) -> Self {
        self.list("locations", locations)
    }

    /// `actions`: what is to be done there.
    pub fn actions<S: Into<String>>(self, actions: impl IntoIterator<Item = S>) -> Self {
        self.list("actions", actions)
    }

    /// `datatypes`: which kinds of data are asked for.
    pub fn datatypes<S: Into<String>>(self, datatypes: impl IntoIterator<Item = S>) -> Self {
        self.list("datatypes", datatypes)
    }

    /// `identifier`: which resource it is for.
    pub fn identifier(self, identifier: impl Into<String>) -> Self {
        self.set("identifier", identifier.into())
    }

    /// `privileges`: at which level.
    pub fn privileges<S: Into<String>>(self, privileges: impl IntoIterator<Item = S>) -> Self {
        self.list("privileges", privileges)
    }

    /// Sets a member that the type defines. The type itself stays, and a value that cannot be written as JSON is null.
    pub fn set(mut self, name: &str, value: impl Serialize) -> Self {
        if name != TYPE {
            self.0.insert(name.to_owned(), serde_json::to_value(value).unwrap_or_default());
        }
        self
    }

    /// A member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All members, `type` among them.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    fn list<S: Into<String>>(self, name: &str, items: impl IntoIterator<Item = S>) -> Self {
        self.set(name, items.into_iter().map(Into::into).collect::<Vec<String>>())
    }
}

const TYPE: &str = "type";

impl AuthorizationDetails {
    /// Reads details from JSON.
    ///
    /// # Errors
    ///
    /// [`DetailsError`] unless it is a list of objects, each with a text `type`.
    pub fn read(json: &Value) -> Result<Self, DetailsError> {
        let items = json.as_array().ok_or(DetailsError(()))?;
        let detail = |item: &Value| match item {
            Value::Object(members) if members.get(TYPE).is_some_and(Value::is_string) => {
                Ok(AuthorizationDetail(members.clone()))
            }
            _ => Err(DetailsError(())),
        };
        items.iter().map(detail).collect::<Result<_, _>>().map(Self)
    }

    /// What a token was granted for, by the token reply (RFC 9396 section 7).
    ///
    /// # Errors
    ///
    /// [`DetailsError`] when the reply has something else in its place.
    pub fn granted(token: &OAuth2Token) -> Result<GrantedDetails, DetailsError> {
        match token.get("authorization_details") {
            None | Some(Value::Null) => Ok(GrantedDetails::NotStated),
            Some(details) => Self::read(&details).map(GrantedDetails::Stated),
        }
    }

    /// The details in their order.
    pub fn iter(&self) -> impl Iterator<Item = &AuthorizationDetail> {
        self.0.iter()
    }

    /// Those of one type.
    pub fn of_type<'d>(&'d self, kind: &'d str) -> impl Iterator<Item = &'d AuthorizationDetail> {
        self.0.iter().filter(move |detail| detail.kind() == kind)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The details as JSON, for a token request or a refresh that asks for less (RFC 9396 section 6): the value of the extra parameter
    /// `authorization_details`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl FromIterator<AuthorizationDetail> for AuthorizationDetails {
    fn from_iter<I: IntoIterator<Item = AuthorizationDetail>>(details: I) -> Self {
        Self(details.into_iter().collect())
    }
}

/// Compares what was asked for with what was granted, by a function for each type: only the type says what "less" is (RFC 9396 section 6.1).
///
/// ```
/// use oauth_fapi::{AuthorizationDetails, DetailsComparison, GrantedDetails, TypeComparison};
///
/// # fn f(asked: &AuthorizationDetails, granted: &GrantedDetails) {
/// let comparison = DetailsComparison::new().of_type("payment_initiation", |asked, granted| {
///     asked.iter().all(|one| granted.iter().any(|other| one.get("instructedAmount") == other.get("instructedAmount")))
/// });
/// let result = comparison.compare(asked, granted);
/// assert_ne!(result.get("payment_initiation"), Some(&TypeComparison::Different));
/// # }
/// ```
#[derive(Default)]
#[must_use]
pub struct DetailsComparison(BTreeMap<String, Box<Compare>>);

type Compare = dyn Fn(&[&AuthorizationDetail], &[&AuthorizationDetail]) -> bool + Send + Sync;

/// What the comparison of one type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TypeComparison {
    /// Its function says that what was granted is enough.
    Enough,
    /// Its function says that it is not.
    Different,
    /// The provider does not say what it granted.
    NotStated,
    /// There is no function for this type.
    NotCompared,
}

impl DetailsComparison {
    /// A comparison that knows no type yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares the details of one type by this function: those that were asked for are its first argument, those that were granted its
    /// second.
    pub fn of_type(
        mut self,
        kind: impl Into<String>,
        is_enough: impl Fn(&[&AuthorizationDetail], &[&AuthorizationDetail]) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(kind.into(), Box::new(is_enough));
        self
    }

    /// What the comparison says, for each type that was asked for or granted.
    #[must_use]
    pub fn compare(
        &self,
        asked: &AuthorizationDetails,
        granted: &GrantedDetails,
    ) -> BTreeMap<String, TypeComparison> {
        let nothing = AuthorizationDetails::default();
        let stated = match granted {
            GrantedDetails::Stated(stated) => Some(stated),
            GrantedDetails::NotStated => None,
        };
        let kinds = asked.iter().chain(stated.unwrap_or(&nothing).iter()).map(AuthorizationDetail::kind);
        let result = |kind: &str| {
            let Some(stated) = stated else { return TypeComparison::NotStated };
            let Some(is_enough) = self.0.get(kind) else { return TypeComparison::NotCompared };
            let asked: Vec<_> = asked.of_type(kind).collect();
            let granted: Vec<_> = stated.of_type(kind).collect();
            if is_enough(&asked, &granted) { TypeComparison::Enough } else { TypeComparison::Different }
        };
        kinds.map(|kind| (kind.to_owned(), result(kind))).collect()
    }
}

impl fmt::Debug for AuthorizationDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Accounts and amounts are nobody else's business.
        f.debug_struct("AuthorizationDetail").field("type", &self.kind()).finish_non_exhaustive()
    }
}

impl fmt::Debug for AuthorizationDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl fmt::Debug for DetailsComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
