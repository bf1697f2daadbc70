//! `rollcall account …`: has it done by the running server, or does it itself where none runs.

use std::{
    fmt::Write as _,
    io::{self, BufWriter},
    path::PathBuf,
};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};

use super::password::{self, Source};
use crate::{
    account::Accounts,
    admin::{AccountView, Admin, Answer, Command, Complained, DeviceView, Report},
    auth::Authenticator,
    config::Config,
    control::Caller,
    signal::Address,
    storage::{AccountSummary, Store, StoreError},
    xmpp::{self, ImportChoice},
};

#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// Add an account. Asks for its password.
    #[command(after_help = "Examples:\n  rollcall account add alice@example.org\n  \
        echo \"$PASSWORD\" | rollcall account add alice@example.org --admin --password-stdin")]
    Add {
        /// The account, as in `alice@example.org`.
        address: Address,
        /// Make it an administrator.
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Set a new password. Every session of the account ends; device passwords stay.
    #[command(after_help = "Example:\n  rollcall account passwd alice@example.org")]
    Passwd {
        /// The account, as in `alice@example.org`.
        address: Address,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List all accounts.
    #[command(after_help = "Example:\n  rollcall account list")]
    List,
    /// Show an account with its settings, devices and sessions.
    #[command(after_help = "Example:\n  rollcall account show alice@example.org")]
    Show {
        /// The account, as in `alice@example.org`.
        address: Address,
    },
    /// Remove an account with its contacts, messages and files. There is no way back.
    #[command(after_help = "Example:\n  rollcall account remove alice@example.org")]
    Remove {
        /// The account, as in `alice@example.org`.
        address: Address,
    },
    /// Change settings.
    #[command(after_help = SET_HELP)]
    Set {
        /// The account, as in `alice@example.org`.
        address: Address,
        /// One or more settings with their new values.
        #[arg(value_name = "SETTING=VALUE", required = true, value_parser = parse_setting)]
        settings: Vec<(String, String)>,
    },
    /// End the sessions of an account. Its owner may log in again; `set … disabled=on` keeps her out.
    #[command(after_help = "Examples:\n  rollcall account end alice@example.org\n  \
        rollcall account end alice@example.org --session desk")]
    End {
        /// The account, as in `alice@example.org`.
        address: Address,
        /// Only the session of this name, as `show` prints it.
        #[arg(long)]
        session: Option<String>,
    },
    /// Invite somebody, who makes her account herself. Prints a link for browsers and one for chat
    /// clients. They work once, within a week.
    #[command(after_help = "Examples:\n  rollcall account invite example.org\n  \
        rollcall account invite carol@example.org")]
    Invite {
        /// The account to be made, or the domain that it is to be of.
        place: Address,
    },
    /// List what owners reported about people whom they blocked, newest first.
    #[command(after_help = "Examples:\n  rollcall account reports\n  rollcall account reports --forget 3")]
    Reports {
        /// Forget the report of this number instead.
        #[arg(long, value_name = "NUMBER")]
        forget: Option<i64>,
    },
    /// Write an account to the standard output, for another server or to keep (XEP-0227): contacts, requests, blocks,
    /// waiting and archived messages, profile, picture, personal nodes, and verifiers of the password for SCRAM.
    /// No server may run on the data folder meanwhile. Keep the file as safe as the password.
    #[command(after_help = "Example:\n  rollcall account export alice@example.org > alice.xml")]
    Export {
        /// The account, as in `alice@example.org`.
        address: Address,
    },
    /// Make accounts of a file that another server wrote (XEP-0227: ejabberd, Prosody). Says what it took over and what
    /// it did not. No server may run on the data folder meanwhile.
    #[command(after_help = "Examples:\n  rollcall account import alice.xml\n  \
        rollcall account import alice.xml --into-existing")]
    Import {
        /// The file; those that it includes are read, too.
        file: PathBuf,
        /// Add to accounts that exist already. Their passwords stay.
        #[arg(long)]
        into_existing: bool,
    },
    /// Send a message to everybody who is online.
    #[command(after_help = "Example:\n  rollcall account announce 'The server restarts at ten.'")]
    Announce {
        /// What everybody is to read.
        text: String,
        /// A subject.
        #[arg(long)]
        subject: Option<String>,
    },
    /// Passwords for single devices, such as a phone.
    #[command(after_help = "Examples:\n  rollcall account device add alice@example.org 'desk phone'\n  \
        rollcall account device remove alice@example.org 3")]
    Device {
        #[command(subcommand)]
        command: DeviceCommand,
    },
}

#[derive(Subcommand)]
pub(super) enum DeviceCommand {
    /// Make a password for a device. It is shown once. Good for SIP, and where the password is sent
    /// through TLS as it is; not for SCRAM.
    #[command(after_help = "Example:\n  rollcall account device add alice@example.org 'desk phone'")]
    Add {
        /// The account, as in `alice@example.org`.
        address: Address,
        /// What the device is called.
        label: String,
    },
    /// List the devices that have passwords.
    #[command(after_help = "Example:\n  rollcall account device list alice@example.org")]
    List {
        /// The account, as in `alice@example.org`.
        address: Address,
    },
    /// Take a device's password away. Its sessions end.
    #[command(after_help = "Example:\n  rollcall account device remove alice@example.org 3")]
    Remove {
        /// The account, as in `alice@example.org`.
        address: Address,
        /// The number that `list` shows.
        id: i64,
    },
}

#[derive(Args)]
pub(super) struct PasswordSource {
    /// Read the password from the first line of the standard input.
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    fn ask(&self) -> anyhow::Result<String> {
        password::ask(if self.password_stdin { Source::Input } else { Source::Terminal })
    }
}

/// Does what an operator asked for and prints what came of it.
pub(super) async fn run(config: Config, command: AccountCommand) -> anyhow::Result<()> {
    let mut office = Office::reach(config).await?;
    let outcome = perform(&mut office, command).await;
    office.leave().await;
    print!("{}", outcome?);
    Ok(())
}

async fn perform(office: &mut Office, command: AccountCommand) -> anyhow::Result<String> {
    match command {
        AccountCommand::Export { address } => {
            let mut out = BufWriter::new(io::stdout().lock());
            xmpp::export(office.alone()?, &address, &mut out).await?;
            Ok(String::new())
        }
        AccountCommand::Import { file, into_existing } => {
            let choice = if into_existing { ImportChoice::IntoExisting } else { ImportChoice::NewOnly };
            let mut text = String::new();
            let mut say = |line: String| text.push_str(&format!("{line}\n"));
            let outcome = xmpp::import(office.alone()?, &file, choice, &mut say).await;
            match outcome {
                Ok(count) => Ok(format!("{text}{count} accounts imported\n")),
                Err(error) => {
                    print!("{text}");
                    Err(error.into())
                }
            }
        }
        command => {
            let command = to_command(command)?;
            show_all(office, command).await
        }
    }
}

/// Who does it.
enum Office {
    /// The running server.
    Server(Caller),
    /// This process.
    Here(Admin, Store),
}

impl Office {
    async fn reach(config: Config) -> anyhow::Result<Self> {
        let data_dir = config.server.data_dir.clone();
        let called = Caller::connect(&data_dir).await;
        if let Some(caller) = called.context("the running server cannot be reached")? {
            return Ok(Self::Server(caller));
        }
        let store = match Store::open(&config.storage) {
            Err(StoreError::InUse) => {
                bail!("a server runs on {} and does not listen to its control socket", data_dir.display())
            }
            other => other?,
        };
        let authenticator = Authenticator::open(config.auth, &data_dir, store.clone())?;
        let accounts = Accounts::new(store.clone(), config.server.domains, config.account);
        Ok(Self::Here(Admin::new(accounts, authenticator, store.clone()), store))
    }

    async fn perform(&mut self, command: &Command) -> anyhow::Result<Answer> {
        match self {
            Self::Server(caller) => caller.perform(command).await?.map_err(|text| anyhow!(text)),
            Self::Here(admin, _) => Ok(admin.perform(command.clone()).await?),
        }
    }

    /// This process, where it has the store to itself.
    fn alone(&self) -> anyhow::Result<&Admin> {
        match self {
            Self::Here(admin, _) => Ok(admin),
            Self::Server(_) => {
                bail!("stop the server first: accounts are exported and imported while none runs")
            }
        }
    }

    async fn leave(self) {
        if let Self::Here(_, store) = self
            && tokio::task::spawn_blocking(move || store.close()).await.is_err()
        {
            eprintln!("rollcall: the store was not closed in order");
        }
    }
}

fn to_command(command: AccountCommand) -> anyhow::Result<Command> {
    Ok(match command {
        AccountCommand::Add { address, admin, password } => {
            Command::Add { address, password: password.ask()?, admin }
        }
        AccountCommand::Passwd { address, password } => {
            Command::SetPassword { address, password: password.ask()? }
        }
        AccountCommand::List => Command::List { after: None },
        AccountCommand::Show { address } => Command::Show { address },
        AccountCommand::Remove { address } => Command::Remove { address },
        AccountCommand::Set { address, settings } => Command::Set { address, settings },
        AccountCommand::End { address, session } => Command::EndSessions { address, name: session },
        AccountCommand::Invite { place } => Command::Invite { place },
        AccountCommand::Reports { forget: None } => Command::Reports,
        AccountCommand::Reports { forget: Some(id) } => Command::RemoveReport { id },
        AccountCommand::Announce { text, subject } => Command::Announce { subject, text },
        AccountCommand::Export { .. } | AccountCommand::Import { .. } => {
            bail!("this is no command for a server")
        }
        AccountCommand::Device { command } => match command {
            DeviceCommand::Add { address, label } => Command::AddDevice { address, label },
            DeviceCommand::List { address } => Command::Devices { address },
            DeviceCommand::Remove { address, id } => Command::RemoveDevice { address, id },
        },
    })
}

/// Performs a command, a list page by page, and says in words what came of it.
async fn show_all(office: &mut Office, command: Command) -> anyhow::Result<String> {
    let mut text = print_answer(office.perform(&command).await?)?;
    while let Some(after) = text.next.take() {
        let page = print_answer(office.perform(&Command::List { after: Some(after) }).await?)?;
        text = Printed { text: text.text + &page.text, next: page.next };
    }
    Ok(text.text)
}

/// Words for the operator.
struct Printed {
    text: String,
    /// More accounts follow this one.
    next: Option<Address>,
}

fn print_answer(answer: Answer) -> anyhow::Result<Printed> {
    let mut text = String::new();
    let mut next = None;
    match answer {
        Answer::Done => {}
        Answer::Accounts { accounts, more } => {
            next = accounts.last().filter(|_| more).map(|account| account.address.clone());
            for account in &accounts {
                writeln!(text, "{}{}", account.address, marks(account))?;
            }
        }
        Answer::Account(view) => print_account(&view, &mut text)?,
        Answer::NewDevice { id, label, password } => {
            writeln!(text, "Device {id}, {label}. Its password, which is not shown again:\n{password}")?;
        }
        Answer::Devices { devices } => print_devices(&devices, &mut text)?,
        Answer::Invitation { token, uri } => {
            writeln!(text, "In a browser, behind the address of the server's page:\n  join?token={token}")?;
            writeln!(text, "In a chat client:\n  {uri}")?;
        }
        Answer::Reports { reports } => print_reports(&reports, &mut text)?,
        Answer::Count { count } => writeln!(text, "{count}")?,
    }
    Ok(Printed { text, next })
}

fn marks(account: &AccountSummary) -> String {
    let mut marks = String::new();
    if account.is_admin {
        marks.push_str("  administrator");
    }
    if account.disabled {
        marks.push_str("  disabled");
    }
    marks
}

fn print_account(view: &AccountView, text: &mut String) -> std::fmt::Result {
    let switch = |on: bool| if on { "on" } else { "off" };
    writeln!(text, "{}{}", view.account.address, marks(&view.account))?;
    writeln!(text, "created             {}", view.account.created)?;
    writeln!(text, "accepted-senders    {}", view.preferences.accepted_senders)?;
    writeln!(text, "offline-storage     {}", switch(view.preferences.offline_storage))?;
    writeln!(text, "device-messages     {}", switch(view.preferences.device_messages))?;
    writeln!(text, "device-copies       {}", switch(view.preferences.device_copies))?;
    writeln!(text, "temporary-presence  {}", view.preferences.temporary_presence.to.as_str())?;
    writeln!(text, "listed              {}", switch(view.preferences.listed))?;
    writeln!(text, "contacts            {}", view.contacts)?;
    writeln!(text, "messages waiting    {}", if view.has_offline { "yes" } else { "no" })?;
    writeln!(text, "sessions            {}", view.sessions.len())?;
    for session in &view.sessions {
        writeln!(text, "  {session}")?;
    }
    writeln!(text, "device passwords    {}", view.devices.len())?;
    print_devices(&view.devices, text)
}

fn print_devices(devices: &[DeviceView], text: &mut String) -> std::fmt::Result {
    for device in devices {
        let used = device.last_used.map_or_else(|| "never".to_owned(), |at| at.to_string());
        writeln!(text, "  {}  {}  created {}, last used {used}", device.id, device.label, device.created)?;
    }
    Ok(())
}

fn print_reports(reports: &[Report], text: &mut String) -> std::fmt::Result {
    for Report { id, from, about, at, complaint } in reports {
        let reason = match complaint.reason {
            Complained::Spam => "spam",
            Complained::Abuse => "abuse",
        };
        writeln!(text, "{id}  {at}  {from} reports {about} for {reason}")?;
        for line in complaint.text.lines() {
            // What people write must not speak to the terminal.
            let line: String = line.chars().filter(|letter| !letter.is_control()).collect();
            writeln!(text, "  {line}")?;
        }
        for message in &complaint.messages {
            writeln!(text, "  message {}", message.escape_debug())?;
        }
        if complaint.may_tell_origin {
            writeln!(text, "  may be passed on to the server of {about}")?;
        }
        if complaint.may_tell_others {
            writeln!(text, "  may be passed on to others")?;
        }
    }
    Ok(())
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err("write it as SETTING=VALUE".to_owned()),
    }
}

pub(super) const EXAMPLES: &str = "Examples:
  rollcall account add alice@example.org --admin
  rollcall account list
  rollcall account set alice@example.org accepted-senders=nobody offline-storage=off";

const SET_HELP: &str = "Settings:
  accepted-senders    who may write besides contacts: everybody, authenticated, same-domain, nobody
  offline-storage     keep messages until the next login: on, off
  device-messages     deliver messages to SIP devices: on, off
  device-copies       copies of the owner's own messages for SIP devices: on, off
  temporary-presence  who besides contacts may learn for a conversation that the owner is there:
                      nobody, same-domain, everybody
  listed              found in the directory of the domain, where there is one: on, off
  admin               administrator: on, off
  disabled            nobody can log in, nothing is taken: on, off

Example:
  rollcall account set alice@example.org accepted-senders=nobody offline-storage=off";
