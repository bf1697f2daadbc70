mod clients;
mod interrupted;

use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::{
    auth::{DigestAlgorithm, Qop, QopUse, digest::Ha1},
    storage::{self, TokenKind},
};

/// A room with its store in a folder of its own.
struct Room {
    auth: Authenticator,
    folder: TempDir,
}

fn config() -> Config {
    Config {
        argon2_memory_kib: 8,
        argon2_passes: 1,
        scram_iterations: 2,
        guesses: 3,
        devices: 2,
        ..Config::default()
    }
}

fn open(folder: TempDir) -> Room {
    let storage = storage::Config { data_dir: folder.path().to_owned(), ..storage::Config::default() };
    let store = Store::open(&storage).unwrap();
    Room { auth: Authenticator::open(config(), folder.path(), store).unwrap(), folder }
}

/// A room in which alice has the password "secret".
async fn room() -> Room {
    let room = open(tempfile::tempdir().unwrap());
    room.auth.create_account(&alice(), "secret", false).await.unwrap();
    room
}

fn alice() -> Address {
    Address::parse("alice@example.org").unwrap()
}

fn peer() -> IpAddr {
    "192.0.2.1".parse().unwrap()
}

fn alice_login(device: Option<i64>) -> Login {
    Login { address: alice(), is_admin: false, device }
}

/// Answers a challenge as a phone does.
async fn digest(room: &Room, nonce: &str, nc: &str, username: &str, password: &str) -> DigestVerdict {
    let mut response = DigestResponse {
        username,
        realm: "example.org",
        nonce,
        uri: "sip:example.org",
        response: "",
        algorithm: DigestAlgorithm::Sha256,
        qop: Some(QopUse { qop: Qop::Auth, nc, cnonce: "c" }),
        method: "REGISTER",
        body: b"",
    };
    let answer = response.expected(&Ha1::new(username, "example.org", password)).unwrap();
    response.response = &answer;
    room.auth.verify_digest(&alice(), &response, b"flow", peer()).await
}

fn nonce(room: &Room) -> String {
    room.auth.digest_nonce("example.org", b"flow")
}

#[tokio::test]
async fn right_password_logs_in_and_others_do_not() {
    let room = room().await;
    for _ in 0..2 {
        let login = room.auth.verify_password(&alice(), "secret", peer()).await;
        assert_eq!(login, Ok(alice_login(None)));
    }
    assert_eq!(room.auth.verify_password(&alice(), "Secret", peer()).await, Err(AuthError::Wrong));
    let nobody = Address::parse("nobody@example.org").unwrap();
    assert_eq!(room.auth.verify_password(&nobody, "secret", peer()).await, Err(AuthError::Wrong));
}

#[tokio::test]
async fn guesses_are_throttled_on_every_way_in() {
    let room = room().await;
    for _ in 0..3 {
        room.auth.verify_password(&alice(), "wrong", peer()).await.unwrap_err();
    }
    let throttled = |error: AuthError| matches!(error, AuthError::Throttled { retry_after: 1..=60 });
    assert!(throttled(room.auth.verify_password(&alice(), "secret", peer()).await.unwrap_err()));
    assert!(throttled(room.auth.scram_verifier(&alice(), ScramHash::Sha1, peer()).await.unwrap_err()));
    assert!(throttled(room.auth.login_succeeded(&alice(), peer()).await.unwrap_err()));
    let verdict = digest(&room, &nonce(&room), "00000001", "alice", "secret").await;
    assert!(matches!(verdict, DigestVerdict::Throttled { .. }));
    let elsewhere = "192.0.2.2".parse().unwrap();
    assert!(room.auth.verify_password(&alice(), "secret", elsewhere).await.is_ok());
}

#[tokio::test]
async fn digest_logs_in_by_both_names_and_each_count_once() {
    let room = room().await;
    let nonce = nonce(&room);
    for (nc, username, expect) in [
        ("00000001", "alice", DigestVerdict::Ok(alice_login(None))),
        ("00000001", "alice", DigestVerdict::Stale),
        ("00000002", "alice@example.org", DigestVerdict::Ok(alice_login(None))),
        ("0000000a", "alice", DigestVerdict::Ok(alice_login(None))),
        ("0000000b", "bob", DigestVerdict::Wrong),
    ] {
        assert_eq!(digest(&room, &nonce, nc, username, "secret").await, expect, "{nc} {username}");
    }
    assert_eq!(digest(&room, "foreign", "00000001", "alice", "secret").await, DigestVerdict::Stale);
    let other_flow = room.auth.digest_nonce("example.org", b"other");
    assert_eq!(digest(&room, &other_flow, "00000001", "alice", "secret").await, DigestVerdict::Stale);
    assert_eq!(digest(&room, &nonce, "0000000c", "alice", "wrong").await, DigestVerdict::Wrong);
}

#[tokio::test]
async fn changed_password_replaces_the_old_one_everywhere() {
    let room = room().await;
    let day = Duration::from_secs(86_400);
    let token = room.auth.issue_token(TokenKind::Session, Some(&alice()), "firefox", day).await.unwrap();
    // Used, and so remembered.
    assert!(room.auth.verify_token(TokenKind::Session, &token).await.is_ok());
    room.auth.verify_password(&alice(), "secret", peer()).await.unwrap();
    let before = room.auth.scram_verifier(&alice(), ScramHash::Sha256, peer()).await.unwrap();
    let mut changes = room.auth.changes();

    room.auth.set_password(&alice(), "u\u{308}ber").await.unwrap();
    assert_eq!(changes.recv().await, Ok(Changed { address: alice(), change: Change::Password }));
    assert_eq!(room.auth.verify_password(&alice(), "secret", peer()).await, Err(AuthError::Wrong));
    assert!(room.auth.verify_password(&alice(), "\u{fc}ber", peer()).await.is_ok());
    assert_eq!(room.auth.verify_token(TokenKind::Session, &token).await, Err(AuthError::Wrong));
    for (password, is_right) in [("secret", false), ("u\u{308}ber", true), ("\u{fc}ber", true)] {
        let verdict = digest(&room, &nonce(&room), "00000001", "alice", password).await;
        assert_eq!(matches!(verdict, DigestVerdict::Ok(_)), is_right, "{password}");
    }
    let after = room.auth.scram_verifier(&alice(), ScramHash::Sha256, peer()).await.unwrap();
    assert_ne!(after, before);
    assert_eq!(after, ScramVerifier::new(ScramHash::Sha256, "\u{fc}ber", &after.salt, 2));
    assert_eq!(room.auth.set_password(&alice(), "").await, Err(AuthError::Password));
}

#[tokio::test]
async fn what_rests_on_a_password_stays_good_when_its_verifiers_are_completed() {
    let room = room().await;
    let kept = room.auth.scram_verifiers(&alice()).await.unwrap();
    room.auth.set_scram(&alice(), &kept).await.unwrap();
    assert_eq!(digest(&room, &nonce(&room), "00000001", "alice", "secret").await, DigestVerdict::Wrong);
    let before = room.auth.mark(&alice(), None).await.unwrap();
    assert!(room.auth.verify_password(&alice(), "secret", peer()).await.is_ok());
    let verdict = digest(&room, &nonce(&room), "00000001", "alice", "secret").await;
    assert_eq!(verdict, DigestVerdict::Ok(alice_login(None)));
    assert_eq!(room.auth.mark(&alice(), None).await.unwrap(), before);
}

#[tokio::test]
async fn device_password_is_good_for_digest_and_in_the_clear_until_it_is_removed() {
    let room = room().await;
    let phone = room.auth.add_device(&alice(), " desk phone ").await.unwrap();
    assert_eq!((phone.label.as_str(), phone.password.len()), ("desk phone", 29));
    let login = alice_login(Some(phone.id));
    assert_eq!(room.auth.verify_password(&alice(), &phone.password, peer()).await, Ok(login.clone()));
    let nonce = nonce(&room);
    assert_eq!(digest(&room, &nonce, "00000001", "alice", &phone.password).await, DigestVerdict::Ok(login));
    let tablet = room.auth.add_device(&alice(), "tablet").await.unwrap();
    assert!(matches!(room.auth.add_device(&alice(), "third").await, Err(AuthError::Limit(_))));
    assert!(matches!(room.auth.add_device(&alice(), " ").await, Err(AuthError::Limit(_))));
    let labels: Vec<_> = room.auth.devices(&alice()).await.unwrap().into_iter().map(|it| it.label).collect();
    assert_eq!(labels, ["desk phone", "tablet"]);

    let mut changes = room.auth.changes();
    assert_eq!(room.auth.remove_device(&alice(), phone.id).await, Ok(true));
    assert_eq!(room.auth.remove_device(&alice(), phone.id).await, Ok(false));
    assert_eq!(changes.recv().await.unwrap().change, Change::DeviceRemoved(phone.id));
    assert_eq!(room.auth.verify_password(&alice(), &phone.password, peer()).await, Err(AuthError::Wrong));
    assert_eq!(digest(&room, &nonce, "00000002", "alice", &phone.password).await, DigestVerdict::Wrong);
    assert!(room.auth.verify_password(&alice(), &tablet.password, peer()).await.is_ok());
}

#[tokio::test]
async fn disabled_account_is_as_if_it_did_not_exist() {
    let room = room().await;
    let phone = room.auth.add_device(&alice(), "phone").await.unwrap();
    let day = Duration::from_secs(86_400);
    let token = room.auth.issue_token(TokenKind::Bearer, Some(&alice()), "script", day).await.unwrap();
    assert!(room.auth.verify_token(TokenKind::Bearer, &token).await.is_ok());
    room.auth.verify_password(&alice(), "secret", peer()).await.unwrap();
    room.auth.set_disabled(&alice(), true).await.unwrap();
    let elsewhere = "192.0.2.2".parse().unwrap();
    assert_eq!(room.auth.verify_password(&alice(), "secret", peer()).await, Err(AuthError::Wrong));
    assert_eq!(room.auth.verify_password(&alice(), &phone.password, elsewhere).await, Err(AuthError::Wrong));
    assert_eq!(digest(&room, &nonce(&room), "00000001", "alice", "secret").await, DigestVerdict::Wrong);
    assert_eq!(room.auth.verify_token(TokenKind::Bearer, &token).await, Err(AuthError::Wrong));
    assert_eq!(room.auth.login_succeeded(&alice(), elsewhere).await, Err(AuthError::Wrong));
    let fake = room.auth.scram_verifier(&alice(), ScramHash::Sha1, elsewhere).await.unwrap();
    assert_ne!(fake, ScramVerifier::new(ScramHash::Sha1, "secret", &fake.salt, 2));
    room.auth.set_disabled(&alice(), false).await.unwrap();
    assert!(room.auth.verify_password(&alice(), "secret", elsewhere).await.is_ok());
    assert!(room.auth.verify_token(TokenKind::Bearer, &token).await.is_ok());
}

#[tokio::test]
async fn removed_account_is_gone_and_its_successor_is_another() {
    let room = room().await;
    room.auth.verify_password(&alice(), "secret", peer()).await.unwrap();
    let day = Duration::from_secs(86_400);
    let token = room.auth.issue_token(TokenKind::Bearer, Some(&alice()), "script", day).await.unwrap();
    assert!(room.auth.verify_token(TokenKind::Bearer, &token).await.is_ok());
    let mut changes = room.auth.changes();
    room.auth.remove_account(&alice()).await.unwrap();
    assert_eq!(changes.recv().await.unwrap().change, Change::Removed);
    assert_eq!(room.auth.verify_token(TokenKind::Bearer, &token).await, Err(AuthError::Wrong));
    assert_eq!(room.auth.verify_password(&alice(), "secret", peer()).await, Err(AuthError::Wrong));
    assert_eq!(room.auth.remove_account(&alice()).await, Err(AuthError::NoSuchAccount));
    assert_eq!(room.auth.set_password(&alice(), "x").await, Err(AuthError::NoSuchAccount));
    room.auth.create_account(&alice(), "other", true).await.unwrap();
    assert_eq!(room.auth.create_account(&alice(), "x", false).await, Err(AuthError::AccountExists));
    assert!(room.auth.verify_password(&alice(), "other", peer()).await.unwrap().is_admin);
    room.auth.set_admin(&alice(), false).await.unwrap();
    assert!(!room.auth.verify_password(&alice(), "other", peer()).await.unwrap().is_admin);
}

#[tokio::test]
async fn token_is_good_for_its_kind_and_time_until_it_is_revoked() {
    let room = room().await;
    let (day, now) = (Duration::from_secs(86_400), Duration::ZERO);
    let token = room.auth.issue_token(TokenKind::Bearer, Some(&alice()), "script", day).await.unwrap();
    let expired = room.auth.issue_token(TokenKind::Bearer, Some(&alice()), "old", now).await.unwrap();
    assert_eq!(room.auth.verify_token(TokenKind::Bearer, &token).await, Ok(alice_login(None)));
    for (kind, text) in [
        (TokenKind::Session, token.as_str()),
        (TokenKind::Setup, &token),
        (TokenKind::Bearer, &expired),
        (TokenKind::Bearer, "x"),
    ] {
        assert_eq!(room.auth.verify_token(kind, text).await, Err(AuthError::Wrong), "{kind:?}");
    }
    let second = room.auth.issue_token(TokenKind::Bearer, Some(&alice()), "second", day).await.unwrap();
    assert!(room.auth.verify_token(TokenKind::Bearer, &second).await.is_ok());
    let listed = room.auth.tokens(&alice()).await.unwrap();
    let hash = listed.iter().find(|token| token.label == "second").unwrap().hash;
    let bob = Address::parse("bob@example.org").unwrap();
    assert_eq!(room.auth.revoke_token_by_hash(&bob, &hash).await, Ok(false));
    assert_eq!(room.auth.revoke_token_by_hash(&alice(), &hash).await, Ok(true));
    assert_eq!(room.auth.verify_token(TokenKind::Bearer, &second).await, Err(AuthError::Wrong));
    assert_eq!(room.auth.revoke_token(&token).await, Ok(true));
    assert_eq!(room.auth.verify_token(TokenKind::Bearer, &token).await, Err(AuthError::Wrong));
    let for_nobody = room.auth.issue_token(TokenKind::Bearer, None, "x", day).await;
    assert!(matches!(for_nobody, Err(AuthError::Limit(_))));
}

#[tokio::test]
async fn setup_link_makes_one_administrator() {
    let room = open(tempfile::tempdir().unwrap());
    let day = Duration::from_secs(86_400);
    let first = room.auth.issue_token(TokenKind::Setup, None, "setup", day).await.unwrap();
    let link = room.auth.issue_token(TokenKind::Setup, None, "setup", day).await.unwrap();
    assert_eq!(room.auth.redeem_setup(&first, &alice(), "secret").await, Err(AuthError::Wrong));
    assert_eq!(room.auth.redeem_setup(&link, &alice(), "").await, Err(AuthError::Password));
    assert_eq!(room.auth.check_setup(&link).await, Ok(()));
    let login = room.auth.redeem_setup(&link, &alice(), "secret").await.unwrap();
    assert!(login.is_admin);
    assert_eq!(room.auth.redeem_setup(&link, &alice(), "secret").await, Err(AuthError::Wrong));
    assert!(room.auth.verify_password(&alice(), "secret", peer()).await.unwrap().is_admin);
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_nothing_without_the_key() {
    let room = room().await;
    let phone = room.auth.add_device(&alice(), "phone").await.unwrap();
    room.auth.inner.store.close();
    let room = open(room.folder);
    assert!(room.auth.verify_password(&alice(), "secret", peer()).await.is_ok());
    assert!(room.auth.verify_password(&alice(), &phone.password, peer()).await.is_ok());
    room.auth.inner.store.close();

    let path = room.folder.path().join("key");
    let storage = storage::Config { data_dir: room.folder.path().to_owned(), ..storage::Config::default() };
    let store = Store::open(&storage).unwrap();
    std::fs::remove_file(&path).unwrap();
    let missing = Authenticator::open(config(), room.folder.path(), store.clone());
    assert!(matches!(missing.err(), Some(AuthError::KeyFile(text)) if text.contains("missing")));
    std::fs::write(&path, [9; 32]).unwrap();
    let foreign = Authenticator::open(config(), room.folder.path(), store).unwrap();
    assert_eq!(foreign.verify_password(&alice(), "secret", peer()).await, Err(AuthError::Sealed));
}

/// A room in which every check of a password takes long, one at a time, and four may wait.
fn slow_room() -> Room {
    let folder = tempfile::tempdir().unwrap();
    let storage = storage::Config { data_dir: folder.path().to_owned(), ..storage::Config::default() };
    let store = Store::open(&storage).unwrap();
    let config = Config {
        argon2_memory_kib: 64 << 10,
        argon2_passes: 2,
        argon2_parallel: 1,
        argon2_queue: 15,
        guesses: 1000,
        ..config()
    };
    Room { auth: Authenticator::open(config, folder.path(), store).unwrap(), folder }
}

/// Somebody at `network` who tries a password for an account that does not exist.
fn guess(room: &Room, network: u8) -> task::JoinHandle<Result<Login, AuthError>> {
    let auth = room.auth.clone();
    let peer = IpAddr::from([192, 0, 2, network]);
    tokio::spawn(async move { auth.verify_password(&alice(), "guess", peer).await })
}

#[tokio::test]
async fn flood_of_guesses_is_bounded_and_the_reactor_answers_meanwhile() {
    let room = slow_room();
    let flood: Vec<_> = (0..200).map(|index| guess(&room, index % 2)).collect();
    let (mut near, mut far) = tokio::io::duplex(64);
    for _ in 0..100 {
        tokio::io::AsyncWriteExt::write_all(&mut near, b"ping").await.unwrap();
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut [0; 4]).await.unwrap();
        task::yield_now().await;
    }
    assert!(flood.iter().any(|guess| !guess.is_finished()), "all were checked between two pings");
    let mut refused = 0;
    for guess in flood {
        match guess.await.unwrap() {
            Err(AuthError::Overloaded) => refused += 1,
            outcome => assert_eq!(outcome, Err(AuthError::Wrong)),
        }
    }
    // Four places are for each of the two networks, and at most a few became free again.
    assert!((150..=192).contains(&refused), "{refused}");
}

#[tokio::test]
async fn one_network_does_not_take_every_place() {
    let room = slow_room();
    let flood: Vec<_> = (0..50).map(|_| guess(&room, 1)).collect();
    while room.auth.inner.turns.free() > 0 {
        task::yield_now().await;
    }
    assert_eq!(guess(&room, 2).await.unwrap(), Err(AuthError::Wrong));
    for guess in flood {
        guess.abort();
    }
}

#[tokio::test]
async fn client_that_goes_away_makes_no_room_before_its_check_is_done() {
    let room = slow_room();
    let gone = guess(&room, 1);
    while room.auth.inner.turns.free() > 0 {
        task::yield_now().await;
    }
    // Until here it may wait for the store; from now on it computes or is about to.
    while !gone.is_finished() && room.auth.inner.turns.free() == 0 {
        gone.abort();
        task::yield_now().await;
    }
    assert!(gone.await.unwrap_err().is_cancelled());
    assert_eq!(room.auth.inner.turns.free(), 0, "the computation goes on");
    let turn = room.auth.inner.turns.turn().await;
    assert!(turn.is_ok());
}
