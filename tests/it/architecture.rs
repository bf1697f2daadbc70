//! Keeps the house in shape: reads the sources and fails on a wrong arrow between rooms.
//!
//! The rules are those of the crate's documentation, as tables that the next reader can check against
//! it. Every rule is a function from sources to complaints, so that each has a test on a bad sample.

mod source;

use std::{fs, path::Path, sync::LazyLock};

use source::{Reference, Source, Target};

/// Every room and the rooms that it may know. A room that is not here is a complaint.
const ARROWS: &[(&str, &[&str])] = &[
    ("signal", &[]),
    ("net", &[]),
    ("formats", &["signal"]),
    ("presence", &["signal"]),
    ("storage", &["signal"]),
    ("bus", &["signal"]),
    ("auth", &["signal", "formats", "storage"]),
    ("account", &["signal", "presence", "storage", "bus"]),
    ("documents", &["signal", "formats", "account"]),
    ("sip", &["signal", "formats", "net", "auth", "account", "documents"]),
    ("xmpp", &["signal", "formats", "net", "auth", "account", "admin"]),
    ("xcap", &["signal", "formats", "net", "auth", "account", "documents"]),
    ("api", &["signal", "formats", "net", "auth", "account", "documents", "admin"]),
    ("admin", &["signal", "formats", "auth", "account", "storage"]),
    ("webhook", &["signal", "net"]),
    ("control", &["signal", "net", "admin"]),
    ("config", EVERY_ROOM),
    ("cli", EVERY_ROOM),
    ("welcome", EVERY_ROOM),
    ("server", EVERY_ROOM),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Rooms of independent modules, whose door is the door of each.
const SHELVES: &[&str] = &["formats"];

const EVERY_ROOM: &[&str] = &[
    "signal",
    "net",
    "formats",
    "presence",
    "storage",
    "bus",
    "auth",
    "account",
    "documents",
    "sip",
    "xmpp",
    "xcap",
    "api",
    "admin",
    "webhook",
    "control",
    "config",
    "cli",
    "welcome",
    "server",
];

/// Crates that only some modules may use; an empty list means tests only.
const CRATES: &[(&str, &[&str])] = &[
    ("rusqlite", &["storage::sqlite"]),
    ("minidom", &["xmpp"]),
    ("jid", &["xmpp"]),
    ("axum", &["api", "xcap", "xmpp::web", "xmpp::door"]),
    ("rust_embed", &["api"]),
    ("tokio_rustls", &["net"]),
    ("rcgen", &["net"]),
    ("argon2", &["auth"]),
    ("clap", &["cli"]),
    ("anyhow", &["cli", "main"]),
    ("rsip", &[]),
    ("rxml", &[]),
    ("proptest", &[]),
    ("tempfile", &[]),
];

/// Rooms of pure rules and plain data, which have no business with a runtime.
const PURE: &[&str] = &["signal", "presence", "formats"];

/// Words of a protocol, which the account must not know.
const PROTOCOL_WORDS: &[&str] = &[
    "sip",
    "sips",
    "xmpp",
    "jabber",
    "jid",
    "stanza",
    "iq",
    "xml",
    "xmlns",
    "sdp",
    "pidf",
    "cpim",
    "imdn",
    "http",
    "websocket",
    "invite",
    "header",
    "xep",
    "cseq",
];

/// Lines after which a file has to be split, and the files that may be longer, each with its reason.
const LONGEST_FILE: usize = 600;
const LONGER_FILES: &[&str] = &[];

#[test]
fn rooms_know_only_the_rooms_below_them() {
    none_of(complaints(&SERVER, wrong_arrows));
}

#[test]
fn nobody_reaches_behind_a_rooms_door() {
    none_of(complaints(&SERVER, behind_doors));
}

#[test]
fn crates_stay_in_their_rooms() {
    none_of(complaints(&SERVER, wrong_crates));
}

#[test]
fn account_names_no_protocol() {
    none_of(complaints(&SERVER, protocol_words));
}

#[test]
fn every_room_states_its_invariants_and_every_file_its_purpose() {
    none_of(complaints(&SERVER, missing_docs));
}

#[test]
fn no_file_is_too_long() {
    none_of([complaints(&SERVER, too_long), complaints(&TESTS, too_long)].concat());
}

#[test]
fn nothing_is_left_undone_or_ignored() {
    none_of([complaints(&SERVER, undone), complaints(&TESTS, undone)].concat());
}

static SERVER: LazyLock<Vec<Source>> = LazyLock::new(|| sources("src"));
static TESTS: LazyLock<Vec<Source>> = LazyLock::new(|| sources("tests/it"));

/// All `.rs` files below a folder of the repository, in a stable order.
fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join(folder), &mut files);
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        Source::parse(&name, &fs::read_to_string(path).unwrap())
    };
    let mut sources: Vec<Source> = files.iter().map(read).collect();
    source::mark_test_files(&mut sources);
    assert!(!sources.is_empty(), "no sources in {folder}");
    sources
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// One rule over all sources; a rule sees all of them, to know which names are modules.
fn complaints(sources: &[Source], rule: fn(&Source, &[Source]) -> Vec<String>) -> Vec<String> {
    sources.iter().flat_map(|source| rule(source, sources)).collect()
}

fn none_of(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

fn wrong_arrows(source: &Source, _: &[Source]) -> Vec<String> {
    let room = source.room();
    let Some((_, may)) = ARROWS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{}: room `{room}` has no arrows in tests/it/architecture.rs", source.name)];
    };
    let known = |room: &str| ARROWS.iter().any(|(name, _)| *name == room);
    let is_wrong = |reference: &&Reference| {
        let Some(to) = reference.room() else { return false };
        !reference.in_test && to != room && known(to) && !may.contains(&to)
    };
    let complain = |reference: &Reference| {
        format!("{}: `{room}` may not know `{}`", source.at(reference), reference.text())
    };
    source.references.iter().filter(is_wrong).map(complain).collect()
}

/// `crate::account::Handle` is the door; `crate::account::actor::Handle` is behind it. A path of two
/// names leads to a module only when that one is public, else to something of the same name.
fn behind_doors(source: &Source, all: &[Source]) -> Vec<String> {
    let module = |room: &str, inner: &str| all.iter().find(|other| other.module == [room, inner]);
    let is_public = |room: &str, inner: &str| {
        let doors = all.iter().filter(|other| other.module == [room]);
        doors.flat_map(|door| &door.public_modules).any(|module| module == inner)
    };
    let is_behind = |reference: &&Reference| {
        let Target::Inside(path) = &reference.target else { return false };
        let [room, inner, rest @ ..] = path.as_slice() else { return false };
        // Tests may share what other tests stand on.
        let Some(module) = module(room, inner).filter(|module| !(reference.in_test && module.is_test)) else {
            return false;
        };
        let is_shelf = SHELVES.contains(&room.as_str()) && is_public(room, inner);
        room != source.room() && !is_shelf && (!rest.is_empty() || is_public(&module.module[0], inner))
    };
    let complain = |reference: &Reference| {
        format!("{}: `{}` is behind the door of another room", source.at(reference), reference.text())
    };
    source.references.iter().filter(is_behind).map(complain).collect()
}

fn wrong_crates(source: &Source, _: &[Source]) -> Vec<String> {
    let module = source.module.join("::");
    let is_in = |place: &&str| module == **place || module.starts_with(&format!("{place}::"));
    let is_wrong = |reference: &&Reference| {
        let Target::Outside(path) = &reference.target else { return false };
        let Some(name) = path.first() else { return false };
        if reference.in_test {
            return false;
        }
        let foreign = CRATES.iter().any(|(limited, places)| limited == name && !places.iter().any(&is_in));
        foreign || (name == "tokio" && PURE.contains(&source.room()))
    };
    let complain = |reference: &Reference| {
        format!("{}: `{}` is not for this module", source.at(reference), reference.text())
    };
    source.references.iter().filter(is_wrong).map(complain).collect()
}

fn protocol_words(source: &Source, _: &[Source]) -> Vec<String> {
    if source.room() != "account" {
        return Vec::new();
    }
    let named = source.words.iter().filter(|(_, word)| PROTOCOL_WORDS.contains(&word.as_str()));
    named
        .map(|(line, word)| format!("{}:{line}: the account names a protocol: `{word}`", source.name))
        .collect()
}

fn missing_docs(source: &Source, _: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    if !source.is_test && !source.text.starts_with("//!") {
        complaints.push(format!("{}: no module documentation", source.name));
    }
    let is_room = source.module.len() == 1 && source.name.ends_with("/mod.rs");
    if is_room && !source.text.contains("//! # Invariants") {
        complaints.push(format!("{}: the room has no `# Invariants`", source.name));
    }
    complaints
}

fn too_long(source: &Source, _: &[Source]) -> Vec<String> {
    let lines = source.text.lines().count();
    let allowed = lines <= LONGEST_FILE || LONGER_FILES.contains(&source.name.as_str());
    if allowed { Vec::new() } else { vec![format!("{}: {lines} lines, split it", source.name)] }
}

fn undone(source: &Source, _: &[Source]) -> Vec<String> {
    let at = |(line, what): &(usize, String)| format!("{}:{line}: `{what}`", source.name);
    source.undone.iter().map(at).collect()
}

mod samples {
    use super::*;

    fn check(name: &str, text: &str, rule: fn(&Source, &[Source]) -> Vec<String>, expect: &[&str]) {
        let mut all = vec![
            Source::parse(name, text),
            Source::parse("src/account/actor.rs", "//! Shell.\n"),
            Source::parse("src/account/tests.rs", ""),
            Source::parse("src/formats/mod.rs", "//! Shelf.\npub mod pidf; mod hidden;"),
            Source::parse("src/formats/pidf.rs", ""),
            Source::parse("src/formats/hidden.rs", ""),
            Source::parse("src/sip/mod.rs", "//! The door.\npub mod message;\n"),
            Source::parse("src/sip/message/mod.rs", "//! Messages.\n#[cfg(test)] mod fixtures;\n"),
        ];
        source::mark_test_files(&mut all);
        let complaints = rule(&all[0], &all);
        assert_eq!(complaints.len(), expect.len(), "{text}: {complaints:#?}");
        for (complaint, part) in complaints.iter().zip(expect) {
            assert!(complaint.contains(part), "`{part}` in {complaint}");
        }
    }

    #[test]
    fn wrong_arrow_is_caught_however_it_is_written() {
        for (name, text, expect) in [
            (
                "src/sip/a.rs",
                "use crate::storage::Store;",
                &["src/sip/a.rs:1: `sip` may not know `crate::storage::Store`"][..],
            ),
            ("src/sip/a.rs", "\nuse crate::{account, xmpp::{self, X}};", &["a.rs:2:", "`crate::xmpp::X`"]),
            ("src/sip/a.rs", "fn f() -> crate::bus::Bus {}", &["crate::bus::Bus"]),
            ("src/sip/a.rs", "use super::super::presence::Aggregate;", &["crate::presence::Aggregate"]),
            ("src/sip/mod.rs", "use super::xmpp::X;", &["crate::xmpp::X"]),
            ("src/signal/a.rs", "use crate::account::Handle;", &["crate::account::Handle"]),
            ("src/account/a.rs", "use crate::net::Gate;", &["crate::net::Gate"]),
            ("src/newroom/mod.rs", "", &["has no arrows"]),
            ("src/sip/a.rs", "use crate::{account::Handle, net, auth};", &[]),
            (
                "src/sip/mod.rs",
                "mod inner { use super::message::M; use super::super::storage::S; }",
                &["crate::storage::S"],
            ),
            ("src/sip/a.rs", "// use crate::storage::Store;\nconst A: &str = \"crate::bus::B\";", &[]),
            ("src/sip/a.rs", "/* crate::bus::B /* */ */ const B: &str = r#\"\"crate::bus::B\"#;", &[]),
            ("src/sip/a.rs", "#[cfg(test)]\nmod tests { use crate::storage::Store; }", &[]),
            ("src/sip/a.rs", "#[cfg(test)]\nmod tests {}\nuse crate::storage::Store;", &["a.rs:3:"]),
            ("src/sip/a.rs", "#[cfg(test)]\nuse crate::storage::Store;\nuse crate::bus::B;", &["a.rs:3:"]),
            ("src/sip/tests.rs", "use crate::storage::Store;", &[]),
            ("src/sip/message/fixtures.rs", "use crate::storage::Store;", &[]),
            ("src/server.rs", "use crate::{sip, storage};", &[]),
            ("src/main.rs", "fn main() { rollcall::storage::open() }", &["`main` may not know"]),
        ] {
            check(name, text, wrong_arrows, expect);
        }
    }

    #[test]
    fn reach_behind_a_door_is_caught() {
        check("src/sip/a.rs", "use crate::account::actor::Handle;", behind_doors, &["behind the door"]);
        check(
            "src/sip/a.rs",
            "#[cfg(test)] mod t { use crate::account::actor::*; }",
            behind_doors,
            &["behind"],
        );
        check("src/sip/a.rs", "use crate::account::{actor, Handle};", behind_doors, &[]);
        check("src/sip/a.rs", "use crate::formats::pidf::Document;", behind_doors, &[]);
        check("src/sip/a.rs", "use crate::formats::hidden::X;", behind_doors, &["behind"]);
        let shared = "#[cfg(test)] mod t { use crate::account::tests::alice; }";
        check("src/sip/a.rs", shared, behind_doors, &[]);
        check("src/sip/a.rs", "use crate::account::tests::alice;", behind_doors, &["behind"]);
        check("src/xmpp/a.rs", "use crate::{sip::message, account::Handle};", behind_doors, &["message"]);
        check("src/sip/a.rs", "use crate::{account::Handle, sip::message::M};", behind_doors, &[]);
    }

    #[test]
    fn crate_outside_its_room_is_caught() {
        for (name, text, expect) in [
            ("src/storage/a.rs", "use rusqlite::Connection;", &["rusqlite::Connection"][..]),
            ("src/storage/sqlite/a.rs", "use rusqlite::Connection;", &[]),
            ("src/api/a.rs", "fn f(e: minidom::Element) {}", &["minidom::Element"]),
            ("src/sip/a.rs", "use rsip as oracle;", &["rsip"]),
            ("src/sip/a.rs", "#[cfg(test)] mod tests { use rsip::Request; }", &[]),
            ("src/presence/a.rs", "use tokio::time::sleep;", &["tokio::time::sleep"]),
            ("src/account/actor.rs", "use tokio::time::sleep;", &[]),
            ("src/sip/a.rs", "fn f(minidom: u8) { self.minidom; minidom }", &[]),
        ] {
            check(name, text, wrong_crates, expect);
        }
    }

    #[test]
    fn protocol_word_is_caught_in_names_and_texts_but_not_in_comments() {
        check("src/account/a.rs", "// SIP and XMPP see each\nfn a() {}", protocol_words, &[]);
        check("src/account/a.rs", "fn send_stanza(x: SipContact) {}", protocol_words, &["stanza", "sip"]);
        check("src/account/a.rs", "const A: &str = \"jabber:client\";", protocol_words, &["jabber"]);
        check("src/account/a.rs", "fn gossip(sipping: u8) {}", protocol_words, &[]);
        check("src/sip/a.rs", "fn sip() {}", protocol_words, &[]);
    }

    #[test]
    fn missing_documentation_is_caught() {
        check("src/sip/mod.rs", "//! The door.\n", missing_docs, &["# Invariants"]);
        check("src/sip/mod.rs", "//! The door.\n//!\n//! # Invariants\n", missing_docs, &[]);
        check("src/sip/a.rs", "use x;", missing_docs, &["no module documentation"]);
        check("src/sip/tests.rs", "use x;", missing_docs, &[]);
    }

    #[test]
    fn long_file_is_caught() {
        check("src/sip/a.rs", &"\n".repeat(LONGEST_FILE + 1), too_long, &["601 lines"]);
        check("src/sip/a.rs", &"\n".repeat(LONGEST_FILE), too_long, &[]);
    }

    #[test]
    fn undone_work_is_caught() {
        let text =
            "#[test]\n#[ignore = \"later\"]\nfn a() { todo!() }\nfn b() { unimplemented!(\"b\"); dbg!(1) }";
        check("src/sip/a.rs", text, undone, &["ignore", "todo!", "unimplemented!", "dbg!"]);
        check("src/sip/a.rs", "// todo!\nfn ignore() { let todo = 1; }", undone, &[]);
    }
}
