//! The ids of tenants.

use crate::email::CONSUMERS;

/// The id of a tenant, where the text that names it tells the id.
pub(crate) fn tenant_id(tenant: &str) -> Option<&str> {
    match tenant {
        consumers if consumers.eq_ignore_ascii_case("consumers") => Some(CONSUMERS),
        id if is_id(id) => Some(id),
        _ => None,
    }
}

/// Whether a text is a tenant's id: 32 hexadecimal digits in five groups.
pub(crate) fn is_id(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|digit| digit == '-' || digit.is_ascii_hexdigit())
}
