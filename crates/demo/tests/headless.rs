//! The demo, as `cargo xtask demo --headless` runs it.

use std::process::Command;

#[test]
fn a_user_signs_in_with_every_provider_of_the_demo() {
    let demo = Command::new(env!("CARGO_BIN_EXE_oauth-demo")).arg("--headless").output().unwrap();
    let printed = String::from_utf8_lossy(&demo.stdout);
    assert!(demo.status.success(), "{printed}{}", String::from_utf8_lossy(&demo.stderr));
    let all = oauth_demo::names().len();
    assert!(printed.contains(&format!("{all} of {all} providers signed in.")), "{printed}");
}
