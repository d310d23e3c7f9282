/// Somebody who can sign in on the consent page, at every provider.
///
/// `User::default().with_id("2")` takes the rest from the default user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// Sets the identifier.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets the full name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the short name.
    #[must_use]
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = username.into();
        self
    }

    /// Sets the e-mail address; `None` for an account without one.
    #[must_use]
    pub fn with_email(mut self, email: Option<String>) -> Self {
        self.email = email;
        self
    }

    /// Says whether the provider has verified the address.
    #[must_use]
    pub fn with_email_verified(mut self, email_verified: bool) -> Self {
        self.email_verified = email_verified;
        self
    }

    /// Sets the URL of a picture.
    #[must_use]
    pub fn with_picture(mut self, picture: Option<String>) -> Self {
        self.picture = picture;
        self
    }

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
