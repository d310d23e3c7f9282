//! The revisions of the Model Context Protocol, and what each asks of a client.

/// A revision of the Model Context Protocol's authorization, by its date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Revision {
    /// The authorization server is at the MCP server's own origin.
    V2025_03_26,
    /// Protected resource metadata names the authorization server; its metadata is that of RFC 8414.
    V2025_06_18,
    /// Metadata of OpenID Connect too; client ID metadata documents; step-up; no PKCE metadata, no sign-in.
    V2025_11_25,
    /// `iss` in callbacks, credentials that are bound to an issuer, step-up for the union of scopes.
    #[default]
    V2026_07_28,
}

impl Revision {
    /// All revisions, the oldest first.
    pub const ALL: [Self; 4] = [Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// Its date, as in the header `MCP-Protocol-Version`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of this date, if there is one.
    #[must_use]
    pub fn of(date: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == date)
    }

    /// Whether protected resource metadata is looked for where no challenge names it.
    pub(crate) fn probes_resource_metadata(self) -> bool {
        self >= Self::V2025_06_18
    }

    /// Whether the metadata of OpenID Connect will do in place of RFC 8414's.
    pub(crate) fn takes_openid_metadata(self) -> bool {
        self >= Self::V2025_11_25
    }

    /// Whether a server that says nothing of PKCE is refused.
    pub(crate) fn demands_pkce_metadata(self) -> bool {
        self >= Self::V2025_11_25
    }

    /// Whether requests name the resource.
    pub(crate) fn names_resource(self) -> bool {
        self >= Self::V2025_06_18
    }

    /// Whether `scopes_supported` of the server's metadata is what to ask for when the challenge does not say.
    pub(crate) fn takes_supported_scopes(self) -> bool {
        self >= Self::V2025_11_25
    }

    /// Whether clients are told apart by documents at URLs.
    pub(crate) fn takes_metadata_documents(self) -> bool {
        self >= Self::V2025_11_25
    }
}
