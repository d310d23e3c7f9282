//! Arrows point down only: demo, cli → facade → integrations, stores → providers, bff, mcp → native, tokens, web → fapi → openid → core, and
//! facade → adapters of HTTP libraries → core.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    tidy::findings::Findings,
    workspace::{self, Dependency, Metadata, Package, ResolvedPackage},
};

/// What is none of the core's business, and of no provider's: which framework and which database the application uses.
const FRAMEWORKS_AND_DATABASES: &[&str] = &[
    "actix-web",
    "axum",
    "diesel",
    "poem",
    "redis",
    "rocket",
    "rusqlite",
    "salvo",
    "sea-orm",
    "sqlx",
    "tokio-postgres",
    "warp",
];

/// Who only exchanges a code should not build what verifies signatures.
const JWT_LIBRARIES: &[&str] = &["biscuit", "josekit", "jsonwebtoken", "jwt", "jwt-simple", "openidconnect"];

/// What is inside the core, and shows in the API of the adapters alone. A new major version of one must not be one of every provider.
const HTTP_LIBRARIES: &[&str] =
    &["hyper", "hyper-rustls", "hyper-util", "reqwest", "reqwest-middleware", "rustls", "ureq"];

/// The layers from the bottom. A package may depend on those of lower layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    /// Starts foreign servers for tests, and knows nothing of the rest.
    Servers,
    Core,
    /// Public adapters of HTTP libraries, whose versions are theirs.
    HttpLibrary,
    /// Not to be shipped: everybody may test against it, and it knows the core only.
    Emulator,
    OpenId,
    /// Signed, pushed and bound requests.
    Fapi,
    Provider,
    Tokens,
    /// Sign-in for any web framework.
    Web,
    /// Sign-in for programs without a web server.
    Native,
    Mcp,
    /// A backend for browser applications, on sign-in for the web and on tokens.
    Bff,
    /// Integrations and stores.
    Adapter,
    /// Everything under one name.
    Facade,
    /// The demo, the examples and the command-line tool: programs for people.
    Demo,
    /// The tests and these commands.
    Tool,
    /// A program over what the tests of the stores share.
    Soak,
}

impl Layer {
    fn of(folder: &str) -> Option<Self> {
        Some(match folder {
            "crates/oauth-core" => Self::Core,
            "crates/oauth-fetch" | "crates/oauth-hyper" | "crates/oauth-reqwest" => Self::HttpLibrary,
            "crates/oauth-emulator" => Self::Emulator,
            "crates/oauth-openid" => Self::OpenId,
            "crates/oauth-fapi" => Self::Fapi,
            "crates/oauth-tokens" => Self::Tokens,
            "crates/oauth-web" => Self::Web,
            "crates/oauth-native" => Self::Native,
            "crates/oauth-mcp" => Self::Mcp,
            "crates/oauth-bff" => Self::Bff,
            "crates/oauth-clients" => Self::Facade,
            "crates/cli" | "crates/demo" | "crates/examples" => Self::Demo,
            "tests/servers" => Self::Servers,
            "tests"
            | "tests/bff"
            | "tests/by-hand"
            | "tests/frameworks"
            | "tests/keycloak"
            | "tests/model"
            | "tests/observability"
            | "tests/oidc-provider"
            | "tests/properties"
            | "tests/rows"
            | "tests/schedules"
            | "tests/stores"
            | "tests/token-replies"
            | "xtask"
            | "xtask/specs"
            | "xtask/verify" => Self::Tool,
            "tests/soak" => Self::Soak,
            _ if folder.starts_with("tests/mutants/") => Self::Tool,
            _ if folder.starts_with("crates/providers/") => Self::Provider,
            _ if folder.starts_with("crates/stores/") => Self::Adapter,
            _ if folder.starts_with("crates/integrations/") => Self::Adapter,
            _ => return None,
        })
    }

    /// Why a package of this layer may not depend on one of that layer.
    fn forbids(self, other: Self, for_tests: bool) -> Option<&'static str> {
        match (self, other) {
            (Self::Tool | Self::Soak, Self::Servers) => None,
            (_, Self::Servers) => Some("only the tests and xtask start servers"),
            (Self::Facade | Self::Demo | Self::Tool, Self::HttpLibrary) => None,
            (_, Self::HttpLibrary) if for_tests && other < self => None,
            (_, Self::HttpLibrary) => {
                Some("a new version of an HTTP library must not be one of this crate: take an HttpClient")
            }
            (Self::Emulator, Self::Core) => None,
            (Self::Emulator, _) => Some("the emulator may depend on oauth-core only"),
            (Self::Facade | Self::Demo | Self::Tool | Self::Soak, Self::Emulator) => None,
            (_, Self::Emulator) if for_tests => None,
            (_, Self::Emulator) => Some("the emulator is for tests: make it a dev-dependency"),
            (Self::Provider, Self::Provider) => Some(
                "no provider depends on another: what two of them share belongs into oauth-core or oauth-openid",
            ),
            // A provider knows nothing of how tokens are kept, and the manager of tokens knows no provider.
            (Self::Tokens, Self::Provider) => Some("oauth-tokens knows no provider"),
            (Self::Bff, Self::Provider) => Some("oauth-bff knows no provider"),
            (Self::Web, Self::Provider | Self::Tokens) => {
                Some("oauth-web knows neither providers nor how tokens are kept")
            }
            _ if other < self => None,
            _ => Some("arrows point down only: move what both need to the lower of the two"),
        }
    }
}

pub(super) fn check(members: &[Package], metadata: &Metadata, findings: &mut Findings) {
    let nodes: BTreeMap<_, _> =
        metadata.resolve.iter().flat_map(|resolve| &resolve.nodes).map(|node| (&*node.id, node)).collect();
    let names: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (&*package.id, &*package.name)).collect();
    for package in members {
        let Some(layer) = Layer::of(&workspace::short(package.folder())) else {
            findings.add(
                package.folder(),
                "this folder has no layer; give it one in xtask/src/tidy/layers.rs, or move it to the crates of its kind",
            );
            continue;
        };
        for dependency in &package.dependencies {
            arrow(package, layer, dependency, findings);
        }
        let banned: Vec<_> = match layer {
            Layer::Core => [FRAMEWORKS_AND_DATABASES, JWT_LIBRARIES].concat(),
            Layer::OpenId | Layer::Provider | Layer::Web => FRAMEWORKS_AND_DATABASES.to_vec(),
            _ => continue,
        };
        let needed = needed(&package.id, &nodes);
        for name in needed.iter().filter_map(|id| names.get(id)).filter(|name| banned.contains(name)) {
            findings.add(
                &package.manifest_path,
                format!(
                    "{} depends on {name}, directly or through another package; it must not",
                    package.name
                ),
            );
        }
    }
}

fn arrow(package: &Package, layer: Layer, dependency: &Dependency, findings: &mut Findings) {
    let other = dependency.path.as_deref().and_then(|path| Layer::of(&workspace::short(path)));
    let for_tests = dependency.kind.as_deref() == Some("dev");
    // A package's tests may depend on the package itself, to have all its features.
    if for_tests && dependency.name == package.name {
        return;
    }
    let keeps_to_http_client =
        matches!(layer, Layer::Emulator | Layer::OpenId | Layer::Provider | Layer::Web);
    if keeps_to_http_client && !for_tests && HTTP_LIBRARIES.contains(&&*dependency.name) {
        let (package_name, name) = (&package.name, &dependency.name);
        findings.add(
            &package.manifest_path,
            format!("{package_name} depends on {name}, but requests go through an HttpClient"),
        );
    }
    if let Some(why) = other.and_then(|other| layer.forbids(other, for_tests)) {
        let (package_name, name) = (&package.name, &dependency.name);
        findings.add(&package.manifest_path, format!("{package_name} depends on {name}, but {why}"));
    }
}

/// What somebody builds who depends on a package with all its features.
fn needed<'a>(package: &'a str, nodes: &BTreeMap<&str, &'a ResolvedPackage>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut left = vec![package];
    while let Some(id) = left.pop() {
        if found.insert(id) {
            left.extend(nodes.get(id).into_iter().flat_map(|node| node.needs()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Layer::{self, *};

    #[test]
    fn arrows() {
        for (from, to) in [
            (OpenId, Core),
            (Provider, Core),
            (Provider, OpenId),
            (Tokens, OpenId),
            (Web, OpenId),
            (Adapter, Web),
            (Facade, Provider),
            (Facade, Tokens),
            (Adapter, Tokens),
            (Bff, Web),
            (Bff, Tokens),
            (Facade, Bff),
            (Demo, Facade),
            (Demo, Emulator),
            (Tool, Emulator),
            (Tool, Demo),
            (Emulator, Core),
            (HttpLibrary, Core),
            (Facade, HttpLibrary),
            (Facade, Adapter),
            (Facade, Emulator),
        ] {
            assert_eq!(from.forbids(to, false), None, "{from:?} → {to:?}");
        }
        for (from, to) in [
            (Core, OpenId),
            (OpenId, Provider),
            (Provider, Provider),
            (Tokens, Provider),
            (Web, Provider),
            (Web, Tokens),
            (Web, Adapter),
            (Web, Bff),
            (Bff, Provider),
            (Bff, Adapter),
            (Provider, Facade),
            (Emulator, OpenId),
            (Core, Emulator),
            (Adapter, Adapter),
            (Adapter, Facade),
            (Core, HttpLibrary),
            (Provider, HttpLibrary),
            (OpenId, HttpLibrary),
            (HttpLibrary, HttpLibrary),
        ] {
            assert!(from.forbids(to, false).is_some(), "{from:?} → {to:?}");
        }
        assert_eq!(Provider.forbids(Emulator, true), None);
        assert_eq!(Emulator.forbids(HttpLibrary, true), None);
        assert!(Core.forbids(Provider, true).is_some());
    }

    #[test]
    fn folders() {
        assert_eq!(Layer::of("crates/providers/github"), Some(Provider));
        assert_eq!(Layer::of("crates/stores/redis"), Some(Adapter));
        assert_eq!(Layer::of("crates/helpers"), None);
    }
}
