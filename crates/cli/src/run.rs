//! From the arguments to the exit code.

use std::process::ExitCode;

use crate::{
    arguments::{Arguments, Command, Common, Credential},
    commands,
    exit::{Failure, Outcome},
    output::Output,
};

/// Does what the arguments ask, and returns the exit code.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments { common, command } = arguments;
    let output = Output::new(common.json, common.quiet, common.color);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(interruptible(&common, output, command)),
        Err(error) => Err(Failure::Other(format!("cannot start: {error}"))),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.code()
        }
    }
}

async fn interruptible(common: &Common, output: Output, command: Command) -> Outcome<ExitCode> {
    // A child of `exec` gets the same signal and ends by itself.
    if let Command::Exec(exec) = &command {
        return commands::exec::run(exec, common).await;
    }
    tokio::select! {
        outcome = dispatch(common, output, command) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    }
}

async fn dispatch(common: &Common, output: Output, command: Command) -> Outcome<ExitCode> {
    match command {
        Command::Login(login) => commands::login::run(&login, common, output).await?,
        Command::Token(token) => commands::token::run(&token, common, output).await?,
        Command::Whoami(whoami) => commands::whoami::run(&whoami, common, output).await?,
        Command::List => commands::list::run(common, output)?,
        Command::Use(account) => commands::list::use_account(&account.account, common, output)?,
        Command::Logout(logout) => commands::logout::run(&logout, common, output).await?,
        Command::Decode(decode) => commands::decode::run(&decode, output)?,
        Command::Verify(verify) => commands::verify::run(&verify, common, output).await?,
        Command::Curl(curl) => return commands::curl::run(&curl, common).await,
        Command::Exec(exec) => return commands::exec::run(&exec, common).await,
        Command::Credential(Credential::Git(git)) => commands::credential_git::run(&git, common).await?,
        Command::Credential(Credential::Docker(docker)) => {
            return commands::credential_docker::run(&docker, common).await;
        }
        Command::Credential(Credential::Kubectl(kubectl)) => {
            commands::credential_kubectl::run(&kubectl, common).await?;
        }
        Command::Discover(discover) => commands::discover::run(&discover, common, output).await?,
        Command::Doctor(doctor) => return commands::doctor::run(&doctor, common, output).await,
        Command::ServeEmulator(emulator) => commands::serve_emulator::run(&emulator, output).await?,
        Command::Completions(completions) => commands::manual::completions(completions.shell)?,
        Command::Man => commands::manual::page()?,
    }
    Ok(ExitCode::SUCCESS)
}
