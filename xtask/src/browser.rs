//! Chromium and its driver, with which the tests use the demo site.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{system, workspace};

/// Where the driver finds a browser by itself.
const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// Installs what is missing, and says so.
pub(crate) fn ready() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    println!("missing: {}. The tests use the demo site with a browser.", missing.join(", "));
    // The names are Debian's. Ubuntu has neither package, so there the installation fails.
    let installed = system::can_install() && system::install(&["chromium", "chromium-driver"]).is_ok();
    if installed && self::missing().is_empty() {
        return Ok(());
    }
    bail!("{HOW_TO_INSTALL}");
}

fn missing() -> Vec<&'static str> {
    let driver = (!runs("chromedriver")).then_some("chromedriver");
    // On Windows, browsers do not print their version; the driver says which one it lacks.
    let browser = (!cfg!(windows) && !BROWSERS.iter().any(|browser| runs(browser))).then_some("Chromium");
    browser.into_iter().chain(driver).collect()
}

fn runs(program: &str) -> bool {
    workspace::output(Command::new(program).arg("--version")).is_ok()
}

const HOW_TO_INSTALL: &str = "\
the tests need Chromium or Chrome, and chromedriver of the same version. Install them, then run the command again:
  Debian:      sudo apt-get install chromium chromium-driver
  Ubuntu:      sudo snap install chromium   (it brings chromedriver as chromium.chromedriver; link it into the PATH)
  Fedora:      sudo dnf install chromium chromedriver
  macOS:       brew install --cask google-chrome chromedriver
  all others:  https://googlechromelabs.github.io/chrome-for-testing/";
