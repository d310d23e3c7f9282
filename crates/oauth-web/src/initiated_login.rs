//! Logins that the provider or a portal starts.

use http::{Method, Response, header};
use http_body::Body;
use oauth_core::{LinkIntent, LoginOptions};
use oauth_openid::InitiatedLogin;

use crate::{
    answer::{Answer, AnswerHeaders},
    error::{ResolveError, SignInErrorKind},
    login::{answered, retry},
    parameters::read_text,
    request::SignInRequest,
    sign_in::SignIn,
};

impl SignIn {
    /// Starts a login that the provider or a portal asks for (OpenID Connect Core section 4):
    /// `/{provider}/initiate?iss=…&login_hint=…&target_link_uri=…`, by GET or by POST.
    ///
    /// It works like [`login`](Self::login), if `iss` is the provider's own issuer. The target must be on this site, like `return_to`.
    pub async fn initiated_login<B>(&self, request: &SignInRequest, body: B) -> Answer<Response<String>>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let mut headers = AnswerHeaders::private().with(header::X_FRAME_OPTIONS, "DENY");
        let result = self.start_initiated(request, body, &mut headers).await;
        answered(self, "initiate", request, result, Some(retry(None, false)), headers)
    }

    async fn start_initiated<B>(
        &self,
        request: &SignInRequest,
        body: B,
        headers: &mut AnswerHeaders,
    ) -> Result<Response<String>, SignInErrorKind>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let asked = match request.method == Method::POST {
            true => InitiatedLogin::from_form(&read_text(body).await?),
            false => InitiatedLogin::from_query(request.uri.query().unwrap_or_default()),
        };
        let provider = self.find(request).await?;
        let client = provider.oauth2().ready().await.map_err(SignInErrorKind::Login)?;
        if !asked.is_for(&client) {
            return Err(SignInErrorKind::UnknownProvider);
        }
        let hint = asked.login_hint().map(str::to_owned);
        let hinted = |options: LoginOptions| match &hint {
            Some(hint) => options.login_hint(hint),
            None => options,
        };
        // A portal signs somebody in; it does not speak for an account of this site.
        let intent = LinkIntent::SignIn;
        self.begin(&*provider, request, asked.target_link_uri(), intent, hinted, headers).await
    }
}
