//! One word per thing: folder, package suffix, feature, module and `SPEC.name` of a provider.
//!
//! Feature and module are generated from the folder's name. `cargo xtask generate` refuses a `SPEC` with another one.

use std::path::Path;

use anyhow::Result;

use crate::{tidy::findings::Findings, workspace};

pub(super) fn check(findings: &mut Findings) -> Result<()> {
    let crates = workspace::root().join("crates");
    for folder in workspace::folders(&crates)? {
        let group = name(&folder);
        let expected: fn(&str) -> String = match &*group {
            "providers" => |folder| format!("oauth-{folder}"),
            "integrations" => |folder| format!("oauth-web-{folder}"),
            "stores" => |folder| format!("oauth-store-{folder}"),
            "demo" | "examples" => {
                package(&folder, &format!("oauth-{group}"), findings)?;
                continue;
            }
            "cli" => {
                package(&folder, "oauth-clients-cli", findings)?;
                continue;
            }
            _ => {
                package(&folder, &group, findings)?;
                continue;
            }
        };
        for folder in workspace::folders(&folder)? {
            package(&folder, &expected(&name(&folder)), findings)?;
        }
    }
    Ok(())
}

fn package(folder: &Path, expected: &str, findings: &mut Findings) -> Result<()> {
    let path = folder.join("Cargo.toml");
    if !path.exists() {
        findings.add(folder, "this folder holds no package; remove it, or write its Cargo.toml");
        return Ok(());
    }
    let manifest: toml::Table = workspace::read(&path)?.parse()?;
    let found =
        manifest.get("package").and_then(|package| package.get("name")).and_then(|name| name.as_str());
    if found != Some(expected) {
        findings.add(&path, format!("the package must be named {expected:?}, as its folder says"));
    }
    Ok(())
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
