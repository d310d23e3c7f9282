use serde_json::{Map, Value, json};

use crate::{exchange::Dialect, state::UserGrant};

/// The id of the organization that goes by a name.
const ORGANIZATION: &str = "org_9ybsU1dN2dKfDkBi";

/// <https://auth0.com/docs/manage-users/organizations/using-tokens>
pub(super) struct Auth0;

impl Dialect for Auth0 {
    /// A login at an organization, of which the user is a member, says so: by its id, and by its name where that was asked for.
    fn id_token(&self, grant: &UserGrant, claims: &mut Map<String, Value>) {
        match grant.request.params.get("organization") {
            None | Some("") => {}
            Some(id) if id.starts_with("org_") => {
                claims.insert("org_id".to_owned(), json!(id));
            }
            Some(name) => {
                claims.insert("org_id".to_owned(), json!(ORGANIZATION));
                claims.insert("org_name".to_owned(), json!(name.to_ascii_lowercase()));
            }
        }
    }
}
