//! The fuzz targets, with their seeds, with seeds that are changed, and with every input that once failed.

use std::{fs, path::Path};

use oauth_properties::{TARGETS, Target, mutated_bytes, pseudo_random, target};

fn replay(name: &str) {
    let Target { seeds, check, usual, .. } = *target(name);
    mutated_bytes(seeds, usual, check);
    for crash in crashes(name) {
        check(&crash);
    }
}

fn crashes(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crashes").join(name);
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

macro_rules! replay {
    ($($(#[$only:meta])? $test:ident $name:ident)*) => {
        const REPLAYED: &[&str] = &[$($(#[$only])? stringify!($name)),*];

        $(
            $(#[$only])?
            #[test]
            fn $test() {
                replay(stringify!($name));
            }
        )*
    };
}

replay! {
    a_callback_ends_a_login_with_its_own_state_alone callbacks
    a_challenge_is_read_or_left_out challenges
    a_notification_is_believed_with_id_and_token_alone ciba_notifications
    no_cookie_but_the_browsers_own_is_accepted cookies
    #[cfg(feature = "encryption")]
    nothing_is_decrypted_but_what_was_encrypted decrypter
    metadata_names_the_issuer_that_was_asked discovery
    a_proof_is_sent_once_more_with_the_nonce_that_came dpop_nonces
    a_proof_is_accepted_if_every_rule_holds dpop_proofs
    an_error_reply_shows_nothing_that_was_sent error_replies
    facts_start_an_emulator_or_are_refused facts
    an_id_token_is_accepted_if_every_rule_holds id_tokens
    what_was_encrypted_proves_nothing jwe
    keys_are_read_in_linear_time jwks
    a_signed_text_is_accepted_in_one_form_alone jws
    a_logout_token_is_accepted_if_every_rule_holds logout_tokens
    no_server_is_polled_sooner_than_it_wants polls
    a_proxy_decides_on_nothing_but_an_origin proxies
    a_registry_shows_no_secret_of_its_file registry
    no_resource_leads_to_a_server_that_is_not_its_own resources
    no_return_to_leads_to_another_site return_to
    scopes_are_asked_for_and_granted_as_they_are_written scopes
    nothing_opens_but_what_was_sealed sealed_attempts
    a_signed_response_is_taken_if_every_rule_holds signed_responses
    a_stored_attempt_is_refused_or_stored_as_it_was_read stored_attempts
    a_stored_token_is_refused_or_stored_as_it_was_read stored_tokens
    a_token_reply_is_kept_and_in_no_error token_replies
    the_tools_configuration_shows_no_value_of_its_file tool_config
    #[cfg(unix)]
    an_api_gets_the_users_token_and_the_page_gets_its_content upstreams
}

#[test]
fn every_target_is_replayed_and_has_a_fuzz_target() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, REPLAYED);
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "tests/fuzz/Cargo.toml lacks {name}");
        assert!(fuzz.join(format!("targets/{name}.rs")).exists(), "tests/fuzz/targets lacks {name}");
    }
}

/// Bytes alone make tokens, so that random ones reach as far as changed seeds.
#[test]
fn random_changes_of_a_token_are_judged_by_the_rules() {
    for name in ["dpop_proofs", "id_tokens", "logout_tokens", "signed_responses"] {
        pseudo_random(1500, target(name).check);
    }
}
