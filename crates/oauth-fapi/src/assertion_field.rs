//! How an assertion is sent (RFC 7521 section 4.2).

use oauth_core::{AuthenticationError, RequestContext, RequestDraft};

/// The type of an assertion that is a JWT (RFC 7523 section 2.2).
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Adds an assertion that is a JWT, and the client id beside it: several servers look for the client by nothing else.
pub(crate) fn add_assertion(
    context: &RequestContext<'_>,
    request: &mut RequestDraft,
    assertion: &str,
) -> Result<(), AuthenticationError> {
    add_assertion_of(JWT_BEARER, context, request, assertion)
}

/// Adds an assertion of another type.
pub(crate) fn add_assertion_of(
    kind: &str,
    context: &RequestContext<'_>,
    request: &mut RequestDraft,
    assertion: &str,
) -> Result<(), AuthenticationError> {
    add_client_id(context, request)?;
    request.add_field("client_assertion_type", kind)?;
    request.add_field("client_assertion", assertion)?;
    Ok(())
}

/// Adds the client id, to a request that has no secret in it: a client authenticates in one way (RFC 6749 section 2.3).
pub(crate) fn add_client_id(
    context: &RequestContext<'_>,
    request: &mut RequestDraft,
) -> Result<(), AuthenticationError> {
    let secret = request.client_secret_param();
    if request.has_field(secret) {
        let problem =
            format!("the request has the field {secret}, and the client authenticates in another way");
        return Err(problem.into());
    }
    request.add_field(request.client_id_param(), context.client_id)?;
    Ok(())
}
