use crate::{
    app::App,
    exchange::{Dialect, Exchange},
};

/// <https://developers.etsy.com/documentation/essentials/authentication/>
pub(super) struct Etsy;

impl Dialect for Etsy {
    /// The shared secret is for the API. The token endpoint knows an application by its keystring and PKCE alone.
    fn check_secret(&self, _exchange: &Exchange<'_>, _app: &App, _secret: &str) -> Result<(), String> {
        Ok(())
    }
}
