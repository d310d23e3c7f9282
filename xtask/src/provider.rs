//! The provider crates: their names, which their folders and manifests say, and their `SPEC`s, which a program prints.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use toml::Table;

use crate::workspace::{self, cargo};

/// What a crate is called. It is known before anything is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProviderCrate {
    /// The one word: folder, package suffix, feature, module and `SPEC.name`.
    pub(crate) name: String,
    /// The crate's folder.
    pub(crate) folder: PathBuf,
    /// The client type, from `package.metadata.oauth-clients` in the manifest.
    pub(crate) client: String,
    /// The version in the manifest; `None` where it is the workspace's.
    pub(crate) version: Option<String>,
}

impl ProviderCrate {
    /// All provider crates, in the order of their names, `openid` among them.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let crates = workspace::root().join("crates");
        let mut folders = workspace::folders(&crates.join("providers"))?;
        folders.push(crates.join("oauth-openid"));
        let mut all = folders.iter().map(|folder| Self::read(folder)).collect::<Result<Vec<_>>>()?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("Cargo.toml");
        Self::parse(folder, &workspace::read(&path)?).with_context(|| workspace::short(&path))
    }

    fn parse(folder: &Path, manifest: &str) -> Result<Self> {
        let manifest: Table = manifest.parse()?;
        let package = manifest.get("package").context("there is no [package]")?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let metadata = package.get("metadata").and_then(|metadata| metadata.get("oauth-clients"));
        let client = metadata.and_then(|metadata| metadata.get("client")?.as_str()).context(
            "the client's type is missing: write [package.metadata.oauth-clients] and `client = \"…OAuth2\"`",
        )?;
        Ok(Self {
            // openid is among the layers, where a folder has the package's whole name.
            name: name.strip_prefix("oauth-").unwrap_or(&name).to_owned(),
            folder: folder.to_owned(),
            client: client.to_owned(),
            version: package.get("version").and_then(|version| version.as_str()).map(str::to_owned),
        })
    }

    /// Whether it is in `crates/providers`. `openid`, which other crates build on, is not.
    pub(crate) fn is_vendor(&self) -> bool {
        self.folder.parent().is_some_and(|parent| parent.ends_with("providers"))
    }

    /// The package's name.
    pub(crate) fn package(&self) -> String {
        format!("oauth-{}", self.name)
    }

    /// The crate's name in Rust.
    pub(crate) fn library(&self) -> String {
        self.package().replace('-', "_")
    }

    /// The facade's module: the name, as Rust allows it.
    pub(crate) fn module(&self) -> String {
        module_of(&self.name)
    }
}

/// The module of a provider by its name, as Rust allows it.
pub(crate) fn module_of(name: &str) -> String {
    let name = name.replace('-', "_");
    match KEYWORDS.contains(&&*name) {
        true => format!("{name}_"),
        false => name,
    }
}

/// The words that no module can be called by, those of one word that a company may be called by.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield",
];

/// A provider crate with the values of its compiled `SPEC`.
pub(crate) struct CompiledProvider {
    pub(crate) of: ProviderCrate,
    pub(crate) spec: CompiledSpec,
}

/// What `xtask/specs` prints of a `SPEC`.
#[derive(Deserialize)]
pub(crate) struct CompiledSpec {
    folder: String,
    name: String,
    pub(crate) display_name: String,
    pub(crate) docs: String,
    authorize: String,
    pub(crate) refresh: Option<String>,
    pub(crate) revoke: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) code_challenge_method: Option<String>,
    pub(crate) client_auth: String,
    pub(crate) id_at: String,
    pub(crate) email_at: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) is_in_token_reply: bool,
    pub(crate) issuer: Option<String>,
}

impl CompiledSpec {
    /// Whether the endpoints come from the server's metadata.
    pub(crate) fn is_discovered(&self) -> bool {
        self.authorize.is_empty()
    }

    /// Whether an endpoint is in the `SPEC`, or may be in the server's metadata.
    pub(crate) fn offered(&self, endpoint: &Option<String>) -> &'static str {
        match endpoint {
            Some(_) => "yes",
            None if self.is_discovered() => "discovered",
            None => "no",
        }
    }
}

impl CompiledProvider {
    /// Compiles the providers, and reads what their `SPEC`s say.
    pub(crate) fn all(crates: Vec<ProviderCrate>) -> Result<Vec<Self>> {
        let printed = workspace::output(cargo().args(["run", "--quiet", "--package", "oauth-specs"]))?;
        let specs: Vec<CompiledSpec> =
            serde_json::from_str(&printed).context("xtask/specs prints another form")?;
        ensure!(
            specs.len() == crates.len(),
            "xtask/specs prints {} providers, and there are {}",
            specs.len(),
            crates.len()
        );
        crates.into_iter().zip(specs).map(|(of, spec)| Self::of(of, spec)).collect()
    }

    fn of(of: ProviderCrate, spec: CompiledSpec) -> Result<Self> {
        ensure!(of.name == spec.folder, "xtask/specs prints {:?} in the place of {:?}", spec.folder, of.name);
        ensure!(
            of.name == spec.name,
            "{}: SPEC.name is {:?}, but the folder says {:?}; rename one of them",
            workspace::short(&of.folder.join("src/lib.rs")),
            spec.name,
            of.name
        );
        Ok(Self { of, spec })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(folder: &str, manifest: &str) -> Result<ProviderCrate> {
        ProviderCrate::parse(Path::new(folder), manifest)
    }

    #[test]
    fn a_crate_is_called_as_its_folder_and_manifest_say() {
        let manifest =
            "[package]\nversion = '0.2.0'\n[package.metadata.oauth-clients]\nclient = 'LoginGovOAuth2'\n";
        let read = parsed("crates/providers/login-gov", manifest).unwrap();
        assert_eq!((&*read.name, &*read.client), ("login-gov", "LoginGovOAuth2"));
        assert_eq!((&*read.package(), &*read.library()), ("oauth-login-gov", "oauth_login_gov"));
        assert_eq!((&*read.module(), read.version.as_deref()), ("login_gov", Some("0.2.0")));
        assert!(read.is_vendor());
    }

    #[test]
    fn openid_is_called_without_the_prefix_of_its_folder() {
        let manifest = "[package]\nversion.workspace = true\nmetadata.oauth-clients.client = 'OpenID'\n";
        let read = parsed("crates/oauth-openid", manifest).unwrap();
        assert_eq!(
            (&*read.name, &*read.package(), read.version.as_deref()),
            ("openid", "oauth-openid", None)
        );
        assert!(!read.is_vendor());
    }

    #[test]
    fn a_module_is_never_called_by_a_keyword() {
        let manifest = "[package]\nmetadata.oauth-clients.client = 'BoxOAuth2'\n";
        assert_eq!(parsed("crates/providers/box", manifest).unwrap().module(), "box_");
    }

    #[test]
    fn a_manifest_without_the_client_is_refused() {
        let error = parsed("crates/providers/x", "[package]\nname = 'oauth-x'\n").unwrap_err().to_string();
        assert!(error.contains("package.metadata.oauth-clients"), "{error}");
    }

    #[test]
    fn a_spec_of_another_name_is_refused() {
        let manifest = "[package]\nmetadata.oauth-clients.client = 'X'\n";
        let spec = |name: &str| {
            let json = serde_json::json!({
                "folder": "x", "name": name, "display_name": "", "docs": "", "authorize": "", "refresh": null,
                "revoke": null, "scopes": [], "code_challenge_method": null, "client_auth": "none",
                "id_at": "/id", "email_at": null, "profile": null, "is_in_token_reply": false, "issuer": null,
            });
            serde_json::from_value::<CompiledSpec>(json).unwrap()
        };
        let of = || parsed("crates/providers/x", manifest).unwrap();
        let error = CompiledProvider::of(of(), spec("y")).err().unwrap().to_string();
        assert!(error.contains("SPEC.name is \"y\", but the folder says \"x\""), "{error}");
        assert!(spec("x").is_discovered());
    }

    #[test]
    fn every_provider_of_the_repository_has_a_client() {
        let all = ProviderCrate::all().unwrap();
        assert!(all.iter().any(|provider| provider.name == "openid" && provider.client == "OpenID"));
        assert!(all.iter().any(|provider| provider.name == "github" && provider.client == "GitHubOAuth2"));
    }
}
