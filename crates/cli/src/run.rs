//! From the arguments to the exit code.

use std::{process::ExitCode, time::Duration};

use crate::{
    arguments::{Arguments, Command, Common, Credential},
    commands,
    exit::{CommandResult, Failure},
    managers,
    output::Output,
    signals,
};

/// How long a refresh may go on after Ctrl-C.
const CLOSING_LIMIT: Duration = Duration::from_secs(10);
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// Does what the arguments ask, and returns the exit code.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments { common, command } = arguments;
    let output = Output::new(common.json, common.quiet, common.color);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(interruptible(&common, output, command));
            // A keyring that waits for its user keeps nobody.
            runtime.shutdown_timeout(SHUTDOWN_LIMIT);
            outcome
        }
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

async fn interruptible(common: &Common, output: Output, command: Command) -> CommandResult<ExitCode> {
    let mut signals = signals::watch(output)?;
    tokio::select! {
        signal = signals.first() => {
            // A refresh that was sent has spent the refresh token, so its reply is waited for and saved.
            managers::close_all(CLOSING_LIMIT).await;
            Err(Failure::Interrupted(signal))
        }
        outcome = dispatch(common, output, command) => outcome,
    }
}

async fn dispatch(common: &Common, output: Output, command: Command) -> CommandResult<ExitCode> {
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
        Command::Exchange(exchange) => commands::exchange::run(&exchange, common, output).await?,
        Command::Discover(discover) => commands::discover::run(&discover, common, output).await?,
        Command::Doctor(doctor) => return commands::doctor::run(&doctor, common, output).await,
        Command::ServeEmulator(emulator) => commands::serve_emulator::run(&emulator, output).await?,
        Command::Completions(completions) => commands::manual::completions(completions.shell)?,
        Command::Man => commands::manual::page()?,
    }
    Ok(ExitCode::SUCCESS)
}
