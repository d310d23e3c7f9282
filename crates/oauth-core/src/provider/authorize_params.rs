//! A macro for the authorization parameters that only one provider has.

/// Writes the struct of a provider's own authorization parameters, which
/// [`with_authorize_params`](crate::Provider::with_authorize_params) and
/// [`extras_params`](crate::LoginOptions::extras_params) take. Each field is an `Option` and has its parameter's name; none is
/// set by default.
///
/// ```
/// oauth_core::authorize_params! {
///     /// Example's own authorization parameters.
///     pub struct ExampleAuthorizeParams {
///         /// The user who is to sign in.
///         pub login_hint: Option<String>,
///         /// Whether those without an account are offered one.
///         pub allow_signup: Option<bool>,
///     }
/// }
///
/// let params = ExampleAuthorizeParams { allow_signup: Some(false), ..Default::default() };
/// let options = oauth_core::LoginOptions::new().extras_params(&params);
/// ```
#[macro_export]
macro_rules! authorize_params {
    (
        $(#[$doc:meta])*
        pub struct $Params:ident { $($(#[$field_doc:meta])* pub $field:ident: Option<$Kind:ty>),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $Params {
            $($(#[$field_doc])* pub $field: Option<$Kind>,)*
        }

        // Written out, because the provider's crate need not depend on serde, and the derive cannot be told where else it is:
        // its attribute `crate` takes a text, in which a macro has no `$crate`.
        impl $crate::serde::Serialize for $Params {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use $crate::serde::ser::SerializeMap;

                let mut params = serializer.serialize_map(None)?;
                $(params.serialize_entry(stringify!($field), &self.$field)?;)*
                params.end()
            }
        }
    };
}
