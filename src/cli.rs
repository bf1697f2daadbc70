//! The command line: `rollcall serve`, `check-config`, `account`.
//!
//! Reads arguments, talks to the operator, and calls what does the work. No rule is here.

mod account;
mod log;
mod password;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::{config::Config, server};

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rollcall: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Rollcall: one account over SIP, XMPP and the web.
#[derive(Parser)]
#[command(name = "rollcall", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server until it is told to stop (SIGTERM, Ctrl-C). SIGHUP reads certificates again.
    #[command(after_help = "Example:\n  rollcall serve --config /etc/rollcall/rollcall.toml")]
    Serve(ConfigFile),
    /// Read a configuration file and say what is wrong with it, with the line.
    #[command(after_help = "Example:\n  rollcall check-config /etc/rollcall/rollcall.toml")]
    CheckConfig {
        /// The file to check.
        file: PathBuf,
    },
    /// Add, change, show and remove accounts, whether the server runs or not.
    #[command(after_help = account::EXAMPLES)]
    Account {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: account::AccountCommand,
    },
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration file. Otherwise the one that ROLLCALL_CONFIG names, ./rollcall.toml or
    /// /etc/rollcall/rollcall.toml.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn load(self) -> anyhow::Result<Config> {
        let file = match self.config.or_else(|| env::var_os("ROLLCALL_CONFIG").map(PathBuf::from)) {
            Some(file) => file,
            None => USUAL_FILES
                .iter()
                .map(PathBuf::from)
                .find(|file| file.exists())
                .context("there is no configuration file: name one with --config FILE")?,
        };
        Ok(Config::load(&file)?)
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Serve(config) => {
            let config = config.load()?;
            log::start(&config.log)?;
            Ok(runtime()?.block_on(server::serve(config))?)
        }
        Command::CheckConfig { file } => check_config(&file),
        Command::Account { config, command } => {
            let config = config.load()?;
            runtime()?.block_on(account::run(config, command))
        }
    }
}

fn check_config(file: &Path) -> anyhow::Result<()> {
    Config::load(file)?;
    println!("{} is fine", file.display());
    Ok(())
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads to work with")
}

const USUAL_FILES: [&str; 2] = ["rollcall.toml", "/etc/rollcall/rollcall.toml"];

const EXAMPLES: &str = "Examples:
  rollcall serve --config config/dev.toml
  rollcall account add alice@localhost --config config/dev.toml
  rollcall check-config /etc/rollcall/rollcall.toml";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
