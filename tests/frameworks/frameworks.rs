//! The same sign-ins, and the same requests that must not become one, in each web framework.
//!
//! To add a framework, write a file beside these with an `async fn serve(site: Site) -> String` that serves `site.routes` below `/auth`,
//! a signal endpoint at `/signals`, answers who signed in as [`suite::Site::welcome`] says, and returns the address; then add a line to
//! `suite!` below.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod actix_web;
mod axum;
mod bff;
#[path = "../support/chromium.rs"]
#[allow(dead_code, reason = "some commands are for other tests")]
mod chromium;
mod in_a_browser;
mod poem;
mod rocket;
mod salvo;
mod suite;
mod tower;
mod warp;

macro_rules! suite {
    ($($framework:ident)*) => {$(
        mod $framework {
            suite!(@tests $framework
                a_user_signs_in_and_the_applications_response_is_kept
                the_original_uri_is_the_redirect_uri
                a_form_post_is_read
                a_callback_without_its_cookie_is_refused
                a_callback_that_was_changed_is_refused
                an_attempt_is_used_once
                a_cookie_of_a_sibling_domain_signs_nobody_in
                an_error_of_the_provider_is_told_without_its_text
                an_error_page_is_in_the_users_language_and_in_the_applications_words
                a_form_that_is_too_large_or_no_form_is_refused
                a_method_that_a_route_does_not_have_is_refused
                a_head_request_uses_nothing_up
                a_path_that_names_no_provider_or_route_is_not_found
                a_return_to_another_origin_is_refused
                a_host_that_is_no_host_is_refused
                only_a_page_of_the_site_can_begin_to_link
                who_began_to_link_is_who_ends_it
                a_logout_token_ends_a_session_and_a_wrong_one_is_told_in_json
                a_front_channel_logout_may_be_framed
                a_portal_starts_a_login_for_its_own_issuer_only
                a_signal_is_read_and_a_wrong_one_is_refused
            );
            #[tokio::test(flavor = "multi_thread")]
            async fn a_browser_signs_in_once_and_goes_back_in_vain() {
                crate::in_a_browser::a_browser_signs_in_once_and_goes_back_in_vain(crate::$framework::serve).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_page_of_another_site_signs_no_browser_in() {
                crate::in_a_browser::a_page_of_another_site_signs_no_browser_in(crate::$framework::serve).await;
            }
        }
    )*};
    (@tests $framework:ident $($test:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            crate::suite::$test(crate::$framework::serve).await;
        }
    )*};
}

mod in_each {
    suite! { actix_web axum poem rocket salvo tower warp }
}

macro_rules! backends {
    ($($framework:ident)*) => {$(
        mod $framework {
            #[tokio::test(flavor = "multi_thread")]
            async fn a_page_signs_in_calls_an_api_and_signs_out() {
                crate::bff::a_page_signs_in_calls_an_api_and_signs_out(crate::$framework::serve_bff).await;
            }
        }
    )*};
}

mod backend_in_each {
    backends! { actix_web axum poem rocket salvo }
}
