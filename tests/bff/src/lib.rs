//! The guide to browser applications, compiled.

#[cfg(doctest)]
#[doc = include_str!("../../../docs/browser-applications.md")]
struct BrowserApplications;
