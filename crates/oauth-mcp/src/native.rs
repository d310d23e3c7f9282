//! The user's browser on this machine.

use std::error::Error;

use oauth_core::{Callback, async_trait};
use oauth_native::LoopbackBrowser;

use crate::{access::Browser, step::PendingLogin};

#[async_trait]
impl Browser for LoopbackBrowser {
    fn redirect_uri(&self) -> &str {
        Self::redirect_uri(self)
    }

    async fn sign_in(&self, login: &PendingLogin) -> Result<Callback, Box<dyn Error + Send + Sync>> {
        Ok(self.callback(login.url(), login.attempt()).await?)
    }
}
