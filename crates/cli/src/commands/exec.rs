//! `exec`: runs a program with an access token in a variable.

use std::{
    io,
    process::{Command, ExitCode},
};

use crate::{
    arguments::{Common, Exec},
    commands::token::{account, live},
    exit::{CommandResult, Failure},
};

pub(crate) async fn run(exec: &Exec, common: &Common) -> CommandResult<ExitCode> {
    let account = account(Some(&exec.account), common)?;
    let token = live(&account, common).await?;
    let Some((program, arguments)) = exec.program.split_first() else {
        return Err(Failure::Usage("which program?".to_owned()));
    };
    let mut command = Command::new(program);
    command.args(arguments).env(&exec.variable, token.access_token());
    replaced_by(command, program)
}

/// Becomes the program, which then gets signals and has its exit code as if nothing had been before it.
#[cfg(unix)]
fn replaced_by(mut command: Command, program: &str) -> CommandResult<ExitCode> {
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    Err(cannot_run(program, &error))
}

#[cfg(not(unix))]
fn replaced_by(mut command: Command, program: &str) -> CommandResult<ExitCode> {
    let status = command.status().map_err(|error| cannot_run(program, &error))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn cannot_run(program: &str, error: &io::Error) -> Failure {
    Failure::Usage(format!("cannot run {program}: {error}"))
}
