//! Text that is read and written: JSON, forms, and what may be shown of it in one line.

pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod printable;
pub(crate) mod redaction;
