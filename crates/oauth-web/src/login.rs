//! The routes that start a sign-in.

use http::Response;
use oauth_core::{Error, LinkIntent, LoginOptions, Operation, Provider, serde_json::json};

use crate::{
    answer::{Answer, AnswerHeaders, redirect},
    cookies,
    error::SignInErrorKind,
    events, origin,
    request::SignInRequest,
    sign_in::SignIn,
};

impl SignIn {
    /// Starts a sign-in: `GET /{provider}/login`. The query parameter `return_to` may name a path of this site to return to,
    /// and `popup=1` says that the page is in a popup: see [`PopupPage`](crate::PopupPage).
    ///
    /// The result is a redirect to the provider.
    pub async fn login(&self, request: &SignInRequest) -> Answer<Response<String>> {
        let mut headers = AnswerHeaders::private();
        let result = async {
            let provider = self.find(request).await?;
            let return_to = wanted_return(request)?;
            let intent = LinkIntent::SignIn;
            self.begin(&*provider, request, return_to.as_deref(), intent, |options| options, &mut headers)
                .await
        };
        let result = result.await;
        let return_to = wanted_return(request).ok().flatten().filter(|to| origin::return_to(to, "").is_ok());
        answered(
            self,
            "login",
            request,
            result,
            Some(retry(return_to.as_deref(), is_popup(request))),
            headers,
        )
    }

    /// Starts a login that links the identity to the account that is signed in: `POST /{provider}/link`, if
    /// [`can_link`](Self::can_link).
    pub async fn link(&self, request: &SignInRequest) -> Answer<Response<String>> {
        let mut headers = AnswerHeaders::private();
        let result = async {
            if !origin::is_of_own_page(&request.headers, &self.site(request)?.address) {
                return Err(SignInErrorKind::ForeignForm);
            }
            let provider = self.find(request).await?;
            let account = self.current_account(request).await?.ok_or(SignInErrorKind::NotSignedIn)?;
            let return_to = wanted_return(request)?;
            let intent = LinkIntent::LinkTo(account);
            self.begin(&*provider, request, return_to.as_deref(), intent, |options| options, &mut headers)
                .await
        };
        let result = result.await;
        answered(self, "link", request, result, None, headers)
    }

    /// Starts a login and sets its cookie.
    pub(crate) async fn begin(
        &self,
        provider: &dyn Provider,
        request: &SignInRequest,
        return_to: Option<&str>,
        intent: LinkIntent<String>,
        completed: impl FnOnce(LoginOptions) -> LoginOptions,
        headers: &mut AnswerHeaders,
    ) -> Result<Response<String>, SignInErrorKind> {
        let site = self.site(request)?;
        let return_to = return_to.filter(|wanted| !wanted.is_empty());
        let return_to = return_to.map(|wanted| origin::return_to(wanted, &site.address)).transpose()?;
        let options = completed(self.options(request));
        let mut data = json!({ "return_to": return_to, "data": options.app_data() });
        if is_popup(request) {
            data["popup"] = true.into();
        }
        if let LinkIntent::LinkTo(account) = intent {
            data["link_to"] = account.into();
        }
        let redirect_uri = self.redirect_uri_of(&site, request);
        let failed = |problem: &str| {
            let error = Error::configuration(provider.name().to_owned(), problem);
            SignInErrorKind::Login(error.during(Operation::START_LOGIN))
        };
        if self.relay().is_none() && !origin::have_same_host(&redirect_uri, &site.address) {
            return Err(failed(
                "the redirect URI is on another host than this site, which would not get the sign-in's cookie there; set \
                 the site's address with SignIn::at, or use a relay",
            ));
        }
        if origin::is_exposed(&redirect_uri) && !origin::is_exposed(&site.address) {
            return Err(failed(
                "the redirect URI is plain http, though this site is not: others on the network could read the code; register an https one",
            ));
        }
        let started = provider.start_login(&redirect_uri, options.data(data)).await;
        let started = started.map_err(SignInErrorKind::Login)?;
        let url = match self.relay() {
            Some(relay) => {
                let relayed = relay.relayed(&started.url, &started.attempt, &site.callback_url(request));
                relayed.map_err(|problem| failed(&problem))?
            }
            None => started.url,
        };
        let response = redirect(&url)
            .ok_or_else(|| failed("the authorization URL holds characters that a header may not have"))?;
        let sealed = self.sealer().seal(&started.attempt).map_err(SignInErrorKind::Login)?;
        let cookie = cookies::set(&started.attempt, sealed, site.is_https()).ok_or_else(|| {
            failed(
                "the sign-in's cookie would have more than 4096 bytes, and browsers keep no such cookie; give the login \
                 less data, fewer scopes, or a shorter address to return to",
            )
        })?;
        for name in cookies::surplus(&request.headers, self.sealer(), &cookie, site.is_https()) {
            if let Some(cleared) = cookies::clear(&name) {
                headers.add_cookie(cleared);
            }
        }
        headers.add_cookie(cookie.header);
        Ok(response)
    }
}

/// The answer of a route that starts a sign-in. If it failed, the user can start again at `retry`.
pub(crate) fn answered(
    sign_in: &SignIn,
    route: &'static str,
    request: &SignInRequest,
    result: Result<Response<String>, SignInErrorKind>,
    retry: Option<String>,
    headers: AnswerHeaders,
) -> Answer<Response<String>> {
    let provider = request.provider();
    let result = result.map_err(|kind| sign_in.refusal(kind, request, retry));
    match &result {
        Ok(_) => events::begun(route, provider),
        Err(error) => events::refused(route, error),
    }
    Answer::new(result, headers)
}

/// The requested path to return to. An empty one counts as absent.
fn wanted_return(request: &SignInRequest) -> Result<Option<String>, SignInErrorKind> {
    let query = request.uri.query().unwrap_or_default();
    let mut wanted = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "return_to");
    match (wanted.next(), wanted.next()) {
        (_, Some(_)) => Err(SignInErrorKind::ReturnTo),
        (first, None) => Ok(first.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())),
    }
}

/// Whether the request says that its page is in a popup.
fn is_popup(request: &SignInRequest) -> bool {
    let query = request.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "popup" && value == "1")
}

/// The address of the route `login`, relative to the others.
pub(crate) fn retry(return_to: Option<&str>, is_popup: bool) -> String {
    let popup = is_popup.then_some(("popup", "1"));
    let pairs: Vec<_> = popup.into_iter().chain(return_to.map(|wanted| ("return_to", wanted))).collect();
    if pairs.is_empty() {
        return "login".to_owned();
    }
    format!("login?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    #[test]
    fn what_the_query_of_a_login_says_is_said_again_by_the_link_to_retry() {
        for (query, wanted, is_in_popup, again) in [
            ("", None, false, "login"),
            ("?return_to=", None, false, "login"),
            ("?return_to=%2Fcart%3Fx%3D1", Some("/cart?x=1"), false, "login?return_to=%2Fcart%3Fx%3D1"),
            ("?popup=1&return_to=/", Some("/"), true, "login?popup=1&return_to=%2F"),
            ("?popup=1", None, true, "login?popup=1"),
            ("?popup=2", None, false, "login"),
            ("?popup=", None, false, "login"),
            ("?popups=1&x=1", None, false, "login"),
            ("?return=/cart", None, false, "login"),
        ] {
            let request = request("GET", &format!("/auth/acme/login{query}"), &[]);
            let found = wanted_return(&request).unwrap();
            assert_eq!((found.as_deref(), is_popup(&request)), (wanted, is_in_popup), "{query}");
            assert_eq!(retry(wanted, is_in_popup), again, "{query}");
        }
        let twice = request("GET", "/auth/acme/login?return_to=/a&return_to=/b", &[]);
        assert!(matches!(wanted_return(&twice), Err(SignInErrorKind::ReturnTo)));
    }
}
