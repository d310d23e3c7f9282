//! What the command-line tool's file needs of its own crate: see `tool_config`.

#[derive(Debug)]
#[allow(dead_code, reason = "nothing that fails so is called here")]
pub(crate) enum Failure {
    Usage(String),
    Other(String),
}

pub(crate) type CommandResult<T = ()> = Result<T, Failure>;
