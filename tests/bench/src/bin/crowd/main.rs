//! A crowd of clients on one server: very many sessions or registrations held at a time, and the cost
//! of one operation among them.
//!
//! A client that is held costs this program its socket and little more, so that a hundred thousand fit
//! into one process. Each command prints lines of JSON: what was done, what it cost the server in
//! processor time, how long it took, and what the server occupies. Accounts are `u0` and so on with
//! the password `secret`, as `fill` makes them.

mod hold;
mod operations;
mod options;
mod process;
mod registrations;
mod sip;
mod stream;
mod subscriptions;
mod web;
mod xmpp;

use std::process::ExitCode;

use options::Options;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crowd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let options = Options::of_process()?;
    match options.command.as_str() {
        "hold" => hold::hold(&options).await,
        "register" => registrations::register(&options).await,
        "subscribe" => subscriptions::subscribe(&options).await,
        "login" => operations::login(&options).await,
        "message" => operations::message(&options).await,
        "offline" => operations::offline(&options).await,
        "roster" => operations::roster(&options).await,
        "presence" => operations::presence(&options).await,
        "archive" => operations::archive(&options).await,
        other => anyhow::bail!("crowd knows no {other}"),
    }
}
