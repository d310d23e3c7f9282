use crate::{
    app::App,
    exchange::{Dialect, Exchange},
    refusal::{ProtocolError, Reason},
    request::Pairs,
};

/// <https://id.vk.com/about/business/go/docs/en/vkid/latest/vk-id/connection/api-integration/api-description>
pub(super) struct VkId;

impl Dialect for VkId {
    /// Every application names itself alone, whether it has a secret or not.
    fn check_secret(&self, _exchange: &Exchange<'_>, _app: &App, secret: &str) -> Result<(), String> {
        match secret.is_empty() {
            true => Ok(()),
            false => Err("client_secret is not taken here".to_owned()),
        }
    }

    /// A refresh token is worth something on its own device only.
    fn check_token(&self, form: &Pairs) -> Result<(), ProtocolError> {
        let is_refresh = form.get("grant_type") == Some("refresh_token");
        match is_refresh && (form.get("device_id").is_none() || form.get("state").is_none()) {
            true => Err(Reason::RefreshToken.because("device_id or state is missing")),
            false => Ok(()),
        }
    }
}
