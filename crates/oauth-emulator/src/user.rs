/// Somebody who can sign in on the consent page, at every provider.
///
/// `User { id: …, ..User::default() }` takes the rest from the default user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The identifier that every provider reports for this user. It is made of digits by default, because some providers
    /// report a JSON number.
    pub id: String,
    /// The full name.
    pub name: String,
    /// The short name of providers that have one (GitHub's `login`, Reddit's `name`, Discord's `username`).
    pub username: String,
    /// The e-mail address; `None` for an account without one.
    pub email: Option<String>,
    /// Whether the provider has verified the address. Providers that do not tell leave it out.
    pub email_verified: bool,
    /// The URL of a picture.
    pub picture: Option<String>,
}

impl User {
    /// Whether this is what somebody else calls the user: the identifier, the short name or the address.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.id == name || self.username == name || self.email.as_deref() == Some(name)
    }
}

impl Default for User {
    /// Ada Lovelace, `ada@example.com`, verified.
    fn default() -> Self {
        Self {
            id: "1815121018521127".into(),
            name: "Ada Lovelace".into(),
            username: "ada".into(),
            email: Some("ada@example.com".into()),
            email_verified: true,
            picture: Some("https://example.com/ada.png".into()),
        }
    }
}
