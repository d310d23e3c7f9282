use serde_json::{Map, Value, json};

use crate::{exchange::Dialect, state::UserGrant};

/// <https://docs.slack.dev/authentication/sign-in-with-slack>
pub(super) struct Slack;

/// The workspace that everybody is of.
const TEAM: &str = "T0EMULATOR";

impl Dialect for Slack {
    fn id_token(&self, grant: &UserGrant, claims: &mut Map<String, Value>) {
        claims.insert("https://slack.com/team_id".to_owned(), json!(TEAM));
        claims.insert("https://slack.com/user_id".to_owned(), json!(grant.user.id));
    }
}
