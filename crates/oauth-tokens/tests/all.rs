//! What a program that keeps tokens would ask.

mod cancellation;
mod client;
mod grants;
mod kit;
mod lifecycle;
mod observers;
mod provider_trouble;
mod sealing;
mod store_trouble;
mod storms;
mod support;
