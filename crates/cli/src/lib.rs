//! `oauth-clients`, the command-line tool: signs in with any provider, and keeps the tokens fresh.
