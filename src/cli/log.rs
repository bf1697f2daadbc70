//! Starts the log as the configuration says: events on the standard error, as text or as JSON.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt as _};

use crate::config::{Log, LogFormat};

/// Starts the log of the process.
pub(super) fn start(config: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter).context("log.filter")?;
    let events = fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match config.format {
        LogFormat::Text => events.with_ansi(io::stderr().is_terminal()).finish().try_init(),
        LogFormat::Json => events.json().finish().try_init(),
    };
    started.context("the log cannot be started")
}
