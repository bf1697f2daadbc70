//! A load generator: `load SCENARIO [--option value ...]` runs one scenario against a server and prints a
//! line of JSON for each of its phases. The README beside it lists scenarios and options.
//!
//! One thread, raw strings: the generator must be cheaper than the server it drives. A message that is
//! lost, doubled or out of order ends the run with an error, and so does an answer that is none.

mod cross;
mod limit;
mod measure;
mod sip;
mod web;
mod xmpp;

use std::{process::ExitCode, rc::Rc};

use anyhow::bail;
use measure::Arguments;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let args = Arguments::of_process()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, scenario(&args))
}

async fn scenario(args: &Arguments) -> anyhow::Result<()> {
    let xmpp = Rc::new(xmpp::Config::new(args)?);
    let sip = Rc::new(sip::Config::new(args)?);
    match args.scenario.as_str() {
        "xmpp-login" => xmpp::login(args, &xmpp).await,
        "xmpp-idle" => xmpp::idle(args, &xmpp).await,
        "xmpp-chat" => xmpp::chat(args, &xmpp).await,
        "xmpp-fanout" => xmpp::fanout(args, &xmpp).await,
        "xmpp-offline" => xmpp::offline(args, &xmpp).await,
        "xmpp-ping" => xmpp::ping(args, &xmpp).await,
        "sip-register" => sip::register(args, &sip).await,
        "sip-idle" => sip::idle(args, &sip).await,
        "sip-options" => sip::options(args, &sip).await,
        "sip-message" => sip::message(args, &sip).await,
        "sip-publish" => sip::publish(args, &sip).await,
        "sip-call" => sip::call(args, &sip).await,
        "sip-offline" => sip::offline(args, &sip).await,
        "web-chat" => web::chat(args).await,
        "web-document" => web::document(args).await,
        "xmpp-to-sip" => cross::xmpp_to_sip(args, &xmpp, &sip).await,
        "process" => measure::process(args).await,
        "relay" => limit::serve(args).await,
        "relay-limit" => limit::load(args).await,
        "fsync-limit" => limit::fsync(args),
        other => bail!("there is no scenario {other:?}; the README lists them"),
    }
}
