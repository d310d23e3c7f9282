//! Where the program runs, and whether a browser is near.

use std::{env, ffi::OsString, fs, path::Path};

/// What is known about where the program runs.
///
/// ```
/// use oauth_native::Environment;
///
/// let mut over_ssh = Environment::default();
/// over_ssh.ssh = true;
/// assert!(over_ssh.browser_is_elsewhere());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// Somebody is connected by SSH, with the browser on the other side.
    pub ssh: bool,
    /// The program runs in a container, a codespace or a development container.
    pub container: bool,
    /// The program runs in the Windows Subsystem for Linux, whose browser is that of Windows.
    pub wsl: bool,
    /// There is a display. On Windows and macOS there always is.
    pub display: bool,
    /// The program runs in continuous integration, where nobody sits.
    pub ci: bool,
}

impl Default for Environment {
    /// A desktop.
    fn default() -> Self {
        Self { ssh: false, container: false, wsl: false, display: true, ci: false }
    }
}

impl Environment {
    /// Finds out from environment variables and files.
    #[must_use]
    pub fn detect() -> Self {
        let file_says_wsl = || {
            fs::read_to_string("/proc/version")
                .is_ok_and(|text| text.to_ascii_lowercase().contains("microsoft"))
        };
        let in_container = || Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists();
        Self::read(|name| env::var_os(name), in_container(), cfg!(target_os = "linux") && file_says_wsl())
    }

    /// What the variables say, and two files.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>, container_file: bool, wsl_file: bool) -> Self {
        let is_set = |name: &&str| variable(name).is_some_and(|value| !value.is_empty());
        let any = |names: &[&str]| names.iter().any(is_set);
        // Only here are displays something that is announced.
        let announces_display = cfg!(all(unix, not(target_vendor = "apple"), not(target_os = "android")));
        Self {
            ssh: any(&["SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"]),
            container: container_file
                || any(&["CODESPACES", "REMOTE_CONTAINERS", "DEVCONTAINER", "GITPOD_WORKSPACE_ID"]),
            wsl: wsl_file || any(&["WSL_DISTRO_NAME", "WSL_INTEROP"]),
            display: !announces_display || any(&["DISPLAY", "WAYLAND_DISPLAY"]),
            ci: any(&["CI"]),
        }
    }

    /// Whether a browser that is opened here would not be in front of the user, or not reach this machine.
    #[must_use]
    pub fn browser_is_elsewhere(&self) -> bool {
        self.ssh || self.container || self.ci || !(self.display || self.wsl)
    }
}
