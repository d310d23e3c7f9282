//! Accounts in memory, in place of two tables of a database.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use oauth_clients::{Identity, LinkDecision, LinkIntent, LinkPolicy, LinkRefusal};

/// The accounts, and the identities that sign in to them. The example `axum-tower-sessions` has them in SQLite.
#[derive(Clone, Debug, Default)]
pub struct Accounts(Arc<Mutex<Tables>>);

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The application's own name for it.
    pub id: String,
    /// The identities that sign in to it.
    pub identities: Vec<LinkedIdentity>,
}

/// An identity that signs in to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkedIdentity {
    /// The name of the client of the provider.
    pub provider: String,
    /// The name of the user there.
    pub name: String,
}

#[derive(Debug, Default)]
struct Tables {
    /// By issuer and subject.
    identities: BTreeMap<(String, String), (String, LinkedIdentity)>,
    accounts: usize,
}

impl Accounts {
    /// The account that somebody who came back from a provider is signed in to; it is made, or the identity linked to it, as
    /// needed.
    ///
    /// # Errors
    ///
    /// The reason why they are not signed in: the identity that they want to link belongs to another account.
    pub fn sign_in(
        &self,
        provider: &str,
        identity: &Identity,
        intent: LinkIntent<String>,
    ) -> Result<String, LinkRefusal> {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (issuer, subject) = identity.key();
        let key = (issuer.to_owned(), subject.to_owned());
        let known = tables.identities.get(&key).map(|(account, _)| account.clone());
        // Nobody is found by an e-mail address here: docs/accounts-and-linking.md says what that takes.
        let account = match LinkPolicy::new().decide(identity, known, intent, None) {
            LinkDecision::SignIn(account) | LinkDecision::Link(account) => account,
            LinkDecision::Create => {
                tables.accounts += 1;
                tables.accounts.to_string()
            }
            LinkDecision::Refuse(refusal) => return Err(refusal),
        };
        let linked = LinkedIdentity {
            provider: provider.to_owned(),
            name: identity.name.clone().unwrap_or_else(|| identity.subject.clone()),
        };
        tables.identities.insert(key, (account.clone(), linked));
        Ok(account)
    }

    /// The account of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Account> {
        let tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let identities = tables.identities.values().filter(|(account, _)| account == id);
        let identities: Vec<_> = identities.map(|(_, identity)| identity.clone()).collect();
        (!identities.is_empty()).then(|| Account { id: id.to_owned(), identities })
    }
}
