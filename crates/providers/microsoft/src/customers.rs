//! Tenants for customers: Microsoft Entra External ID and Azure AD B2C.

use oauth_core::{Error, Result, parameter};
use oauth_openid::Discovery;

use crate::tenant::is_id;

/// The provider in errors.
const NAME: &str = "microsoft";

/// Where a tenant of Microsoft Entra External ID publishes its metadata, given its id. The client that comes of it is
/// [`OpenID`](oauth_openid::OpenID): such a tenant is an issuer of its own, whose ID tokens say who the user is.
///
/// ```
/// use oauth_microsoft::external_id;
///
/// let client = external_id("b5fc8717-4a5d-4bf6-8c1c-3a3a9e6f0a11")?.client("CLIENT_ID", "CLIENT_SECRET")?;
/// # Ok::<(), oauth_microsoft::oauth_core::Error>(())
/// ```
///
/// The issuer has the tenant's id as its host, `https://ID.ciamlogin.com/ID/v2.0`, also where an application is sent to a host by the
/// tenant's name. Users of local accounts have confirmed their address by a code; those of another provider as it says.
///
/// # Errors
///
/// A configuration error unless the id is one of a tenant.
pub fn external_id(tenant_id: &str) -> Result<Discovery> {
    let id = tenant(tenant_id)?;
    Ok(Discovery::new(format!("https://{id}.ciamlogin.com/{id}/v2.0")))
}

/// Where a tenant of Azure AD B2C publishes the metadata of a user flow, such as `B2C_1_SignUpSignIn`, given the tenant's name and id. The
/// client that comes of it is [`OpenID`](oauth_openid::OpenID).
///
/// ```
/// use oauth_microsoft::azure_ad_b2c;
///
/// let discovery = azure_ad_b2c("contoso", "b5fc8717-4a5d-4bf6-8c1c-3a3a9e6f0a11", "B2C_1_SignUpSignIn")?;
/// let client = discovery.client("CLIENT_ID", "CLIENT_SECRET")?;
/// # Ok::<(), oauth_microsoft::oauth_core::Error>(())
/// ```
///
/// Which claims there are is a setting of the user flow. The address comes in a list, `emails`, so that an identity has none: read it from
/// the profile, and take it for unverified unless the flow confirms it. All flows of a tenant have one issuer. A tenant whose flows are set
/// to issuers of the old kind (`tfp`) is one for `Discovery` itself. Microsoft has sold no new tenants since May 2025, and points to External ID.
///
/// # Errors
///
/// A configuration error unless name and flow have a place in a URL, and the id is one of a tenant.
pub fn azure_ad_b2c(tenant_name: &str, tenant_id: &str, user_flow: &str) -> Result<Discovery> {
    let segment = |name, text| parameter::segment(name, text).map_err(|error| error.at(NAME));
    let (name, flow) = (segment("tenant_name", tenant_name)?, segment("user_flow", user_flow)?);
    let id = tenant(tenant_id)?;
    let host = parameter::host("tenant_name", &format!("{name}.b2clogin.com"));
    let host = host.map_err(|error| error.at(NAME))?;
    let document =
        format!("https://{host}/{name}.onmicrosoft.com/{flow}/v2.0/.well-known/openid-configuration");
    let issuer = format!("https://{host}/{id}/v2.0/");
    Ok(Discovery::new(issuer).with_document_url(document))
}

/// A tenant's id in lower case.
fn tenant(id: &str) -> Result<String> {
    if is_id(id) {
        return Ok(id.to_ascii_lowercase());
    }
    let problem = format!("{id:?} is not an id of a tenant, such as 72f988bf-86f1-41af-91ab-2d7cd011db47");
    Err(Error::configuration(NAME, problem))
}
