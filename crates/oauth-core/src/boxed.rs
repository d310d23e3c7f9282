//! Futures in boxes: what keeps an `async fn` from being compiled again in each crate that awaits it.

use std::pin::Pin;

/// A future in a box.
///
/// The state machine of an `async fn` is compiled in every crate that awaits it, with all that it awaits in turn. A function
/// that gives a boxed future is compiled once, in its own crate, and the crates of providers stay small.
pub type BoxFuture<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// Methods of a trait that give the boxed future of a procedure, and that `#[async_trait]` overrides with an `async fn`.
///
/// An `async fn` of a trait under `#[async_trait]` would be compiled for each type that implements it, state machine, box and
/// all, though it does nothing but wait for the procedure. Here, a method hands the procedure's own future over. Its signature
/// must be the one that `#[async_trait]` gives the override: a lifetime for each reference, named in the order in which they
/// stand, and all of them to outlive the future.
macro_rules! defaults {
    ($(
        $(#[$doc:meta])*
        async fn $method:ident<$($lifetime:lifetime),*>(
            &$self:ident, $($argument:ident: $Type:ty),* $(,)?
        ) -> Result<$Success:ty> $procedure:block
    )*) => {$(
        $(#[$doc])*
        fn $method<'provider, $($lifetime,)* 'future>(
            &'provider $self, $($argument: $Type),*
        ) -> $crate::BoxFuture<'future, $crate::Result<$Success>>
        where
            'provider: 'future,
            $($lifetime: 'future,)*
            Self: 'future,
        $procedure
    )*};
}
pub(crate) use defaults;
