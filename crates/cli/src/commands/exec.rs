//! `exec`: runs a program with an access token in a variable.

use std::process::ExitCode;

use tokio::process::Command;

use crate::{
    arguments::{Common, Exec},
    commands::token::{account, live},
    exit::{Failure, Outcome},
};

pub(crate) async fn run(exec: &Exec, common: &Common) -> Outcome<ExitCode> {
    let account = account(Some(&exec.account), common)?;
    let token = live(&account, common).await?;
    let Some((program, arguments)) = exec.program.split_first() else {
        return Err(Failure::Usage("which program?".to_owned()));
    };
    let status = Command::new(program)
        .args(arguments)
        .env(&exec.variable, token.access_token())
        .status()
        .await
        .map_err(|error| Failure::Usage(format!("cannot run {program}: {error}")))?;
    Ok(match status.code() {
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        // It was ended by a signal.
        None => ExitCode::FAILURE,
    })
}
