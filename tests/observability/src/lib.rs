//! Tests of what spans, events and metrics say: see `tests/observability.rs`.
