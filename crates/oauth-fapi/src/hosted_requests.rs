//! Request objects that the server fetches from the application (RFC 9101 section 5.2).

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{
    Error, ErrorKind, OAuth2, Operation, Result, SharedCache, SharedCacheError, bytes::Bytes, random_token,
};

/// Request objects that the application serves for a while, for a server that fetches them (`request_uri`, RFC 9101 section 5.2).
///
/// The application answers `GET` at the base URL with the object of the last part of the path, in an axum application for example:
///
/// ```
/// use oauth_fapi::{HostedRequests, oauth_core::{MemoryCache, SharedCacheError}};
///
/// # async fn f(id: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// // The route `/request-objects/{id}`. Several processes share a store in place of the memory.
/// let hosted = HostedRequests::new("https://app.example/request-objects/", std::sync::Arc::new(MemoryCache::new()))?;
/// match hosted.get(id).await? {
///     Some(object) => println!("200, content-type: {}\n\n{object}", HostedRequests::CONTENT_TYPE),
///     None => println!("404"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// A URL cannot be guessed, and is good until its object expires. Register what the provider wants to know of the URLs beforehand
/// (`request_uris`, OpenID Connect Registration section 2).
#[derive(Clone)]
#[must_use]
pub struct HostedRequests {
    base_url: String,
    objects: Arc<dyn SharedCache>,
}

/// The longest URL (RFC 9101 section 5.2).
const MOST_CHARACTERS: usize = 512;

/// How many characters a random token has.
const ID_LENGTH: usize = 43;

/// Keeping a request object until the server fetches it, in errors.
const HOST_REQUEST: Operation = Operation::new("host_authorization_request");

impl HostedRequests {
    /// The media type of a request object (RFC 9101 section 10.8.1), to answer with.
    pub const CONTENT_TYPE: &str = "application/oauth-authz-req+jwt";

    /// Serves request objects below this URL, which ends with a slash or in a query, and keeps them here.
    ///
    /// # Errors
    ///
    /// A configuration error unless the URL is https, has no fragment, and is short enough that the whole has 512 characters at most.
    pub fn new(base_url: impl Into<String>, objects: Arc<dyn SharedCache>) -> Result<Self> {
        let base_url = base_url.into();
        let wrong = |problem: &str| {
            Err(Error::configuration("fapi", format!("the URL of request objects {problem}")))
        };
        if !base_url.starts_with("https://") || base_url.len() <= "https://".len() {
            return wrong("must be https (RFC 9101 section 5.2)");
        }
        if base_url.contains('#') || base_url.chars().any(|one| one.is_whitespace() || one.is_control()) {
            return wrong("must have neither a fragment nor white space");
        }
        if !base_url.ends_with(['/', '=']) {
            return wrong("must end with a slash, or with a parameter that has no value yet");
        }
        if base_url.len() + ID_LENGTH > MOST_CHARACTERS {
            return wrong("is too long: with the name of an object, it must have 512 characters at most");
        }
        Ok(Self { base_url, objects })
    }

    /// The object of this name, which is the end of its URL; `None` when it has expired or never was.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    pub async fn get(&self, id: &str) -> Result<Option<String>, SharedCacheError> {
        let object = self.objects.get(&name(id)).await?;
        Ok(object.and_then(|object| String::from_utf8(object.to_vec()).ok()))
    }

    /// Keeps an object, and returns its URL.
    pub(crate) async fn publish(
        &self,
        client: &OAuth2,
        object: String,
        lifetime: Duration,
    ) -> Result<String> {
        let id = random_token().map_err(|error| error.at(client.name().to_owned()))?;
        let kept = self.objects.put_new(&name(&id), Bytes::from(object), lifetime).await;
        kept.map_err(|cause| {
            let problem = format!("the request object could not be kept: {cause}");
            client.error(HOST_REQUEST, ErrorKind::Configuration(problem))
        })?;
        Ok(format!("{}{id}", self.base_url))
    }
}

fn name(id: &str) -> String {
    format!("request_object:{id}")
}

impl fmt::Debug for HostedRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostedRequests").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
