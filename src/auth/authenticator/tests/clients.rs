//! Programs that say which installation they are, and their tokens.

use super::*;
use crate::auth::{Agent, FastBinding, FastProof, FastToken, KnownClient, Wishes};

fn agent(id: &str) -> Agent {
    Agent { id: id.to_owned(), software: Some("Chat".to_owned()), name: None }
}

const NOTHING: Wishes = Wishes { token: None, ends_tokens: false, by_token: false };
const A_TOKEN: Wishes = Wishes { token: Some(FastBinding::None), ..NOTHING };

fn proof(token: &FastToken) -> FastProof {
    let hashed = hmac(token.text.as_bytes(), &[b"Initiator"]).to_vec();
    FastProof { binding: FastBinding::None, bound: Vec::new(), hashed, count: None }
}

async fn token(room: &Room, login: &Login, id: &str) -> FastToken {
    let noted = room.auth.note_client(login, &agent(id), A_TOKEN).await.unwrap().unwrap();
    noted.token.unwrap()
}

async fn try_token(room: &Room, id: &str, token: &FastToken) -> Result<Login, AuthError> {
    room.auth.verify_fast(&alice(), id, &proof(token), peer()).await.map(|(login, _)| login)
}

#[tokio::test]
async fn a_token_logs_its_own_client_in_until_the_password_changes() {
    let room = room().await;
    let token = token(&room, &alice_login(None), "one").await;
    assert!(token.expires > Timestamp::now().plus_seconds(29 * 24 * 3600));
    assert_eq!(try_token(&room, "one", &token).await, Ok(alice_login(None)));
    let (_, answer) = room.auth.verify_fast(&alice(), "one", &proof(&token), peer()).await.unwrap();
    assert_eq!(answer, hmac(token.text.as_bytes(), &[b"Responder"]));
    assert_eq!(try_token(&room, "two", &token).await, Err(AuthError::Wrong));
    let Room { auth, folder } = room;
    drop(auth);
    let room = open(folder);
    assert_eq!(try_token(&room, "one", &token).await, Ok(alice_login(None)), "after a restart");
    room.auth.set_password(&alice(), "other").await.unwrap();
    assert_eq!(try_token(&room, "one", &token).await, Err(AuthError::Wrong));
}

#[tokio::test]
async fn a_disabled_account_takes_no_token() {
    let room = room().await;
    let token = token(&room, &alice_login(None), "one").await;
    room.auth.set_disabled(&alice(), true).await.unwrap();
    assert_eq!(try_token(&room, "one", &token).await, Err(AuthError::Wrong));
}

#[tokio::test]
async fn a_token_of_a_device_ends_with_the_devices_password() {
    let room = room().await;
    let device = room.auth.add_device(&alice(), "phone").await.unwrap();
    let login = alice_login(Some(device.id));
    let token = token(&room, &login, "one").await;
    assert_eq!(try_token(&room, "one", &token).await, Ok(login));
    room.auth.remove_device(&alice(), device.id).await.unwrap();
    assert_eq!(try_token(&room, "one", &token).await, Err(AuthError::Wrong));
}

#[tokio::test]
async fn wrong_tokens_are_guesses() {
    let room = room().await;
    let token = token(&room, &alice_login(None), "one").await;
    let wrong = FastToken { text: "guess".to_owned(), ..token.clone() };
    for _ in 0..3 {
        assert_eq!(try_token(&room, "one", &wrong).await, Err(AuthError::Wrong));
    }
    assert!(matches!(try_token(&room, "one", &token).await, Err(AuthError::Throttled { .. })));
}

#[tokio::test]
async fn the_database_alone_does_not_tell_a_token() {
    let room = room().await;
    let token = token(&room, &alice_login(None), "one").await;
    drop(room.auth);
    for entry in std::fs::read_dir(room.folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert_eq!(memchr::memmem::find(&bytes, token.text.as_bytes()), None);
    }
}

#[tokio::test]
async fn clients_are_listed_and_shut_out() {
    let room = room().await;
    let device = room.auth.add_device(&alice(), "phone").await.unwrap();
    let first = token(&room, &alice_login(None), "one").await;
    room.auth.note_client(&alice_login(Some(device.id)), &agent("two"), NOTHING).await.unwrap();
    let listed = room.auth.clients(&alice()).await.unwrap();
    let what = |it: &KnownClient| (it.device, it.knows_password, it.has_token);
    assert_eq!(
        listed.iter().map(what).collect::<Vec<_>>(),
        [(Some(device.id), false, false), (None, true, true)]
    );
    assert_eq!(listed[0].software.as_deref(), Some("Chat"));
    let mut changes = room.auth.changes();
    assert_eq!(room.auth.remove_client(&alice(), listed[1].id).await, Ok(true));
    assert_eq!(room.auth.remove_client(&alice(), listed[1].id).await, Ok(false));
    assert_eq!(changes.recv().await.unwrap().change, Change::ClientRemoved(listed[1].id));
    assert_eq!(try_token(&room, "one", &first).await, Err(AuthError::Wrong));
}

#[tokio::test]
async fn a_login_by_token_says_nothing_of_a_password_and_can_end_the_token() {
    let room = room().await;
    let device = room.auth.add_device(&alice(), "phone").await.unwrap();
    let login = alice_login(Some(device.id));
    let first = token(&room, &login, "one").await;
    let login = try_token(&room, "one", &first).await.unwrap();
    let by_token = Wishes { by_token: true, ..NOTHING };
    let noted = room.auth.note_client(&login, &agent("one"), by_token).await.unwrap().unwrap();
    assert_eq!(noted.token, None, "the one that it has is fresh");
    assert!(!room.auth.clients(&alice()).await.unwrap()[0].knows_password);
    let end = Wishes { ends_tokens: true, ..by_token };
    room.auth.note_client(&login, &agent("one"), end).await.unwrap();
    assert_eq!(try_token(&room, "one", &first).await, Err(AuthError::Wrong));
}

#[tokio::test]
async fn where_no_client_is_remembered_none_gets_a_token() {
    let folder = tempfile::tempdir().unwrap();
    for without in [Config { clients: 0, ..config() }, Config { fast_days: 0, ..config() }] {
        let folder = tempfile::tempdir_in(folder.path()).unwrap();
        let storage = storage::Config { data_dir: folder.path().to_owned(), ..storage::Config::default() };
        let store = Store::open(&storage).unwrap();
        let auth = Authenticator::open(without, folder.path(), store).unwrap();
        auth.create_account(&alice(), "secret", false).await.unwrap();
        assert!(!auth.gives_tokens());
        let noted = auth.note_client(&alice_login(None), &agent("one"), A_TOKEN).await.unwrap();
        assert_eq!(noted.and_then(|noted| noted.token), None);
    }
}

#[tokio::test]
async fn a_client_makes_verifiers_as_strong_as_they_are_configured() {
    let room = room().await;
    let login = alice_login(None);
    assert_eq!(room.auth.scram_tasks(&login).await, Ok(Vec::new()));
    let Room { auth, folder } = room;
    drop(auth);
    let storage = storage::Config { data_dir: folder.path().to_owned(), ..storage::Config::default() };
    let stronger = Config { scram_iterations: 3, ..config() };
    let auth = Authenticator::open(stronger, folder.path(), Store::open(&storage).unwrap()).unwrap();
    assert_eq!(
        auth.scram_tasks(&alice_login(Some(1))).await,
        Ok(Vec::new()),
        "a device knows another password"
    );
    let tasks = auth.scram_tasks(&login).await.unwrap();
    assert_eq!(tasks.len(), 3);
    let task = &tasks[1];
    assert_eq!((task.hash, task.iterations), (ScramHash::Sha256, 3));
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(b"secret", &task.salt, task.iterations, &mut salted);
    assert_eq!(auth.finish_scram_task(&alice(), task, &salted[1..]).await, Err(AuthError::Wrong));
    auth.finish_scram_task(&alice(), task, &salted).await.unwrap();
    let verifier = auth.scram_verifier(&alice(), ScramHash::Sha256, peer()).await.unwrap();
    assert_eq!(verifier, ScramVerifier::new(ScramHash::Sha256, "secret", &task.salt, 3));
    assert_eq!(auth.scram_tasks(&login).await.unwrap().len(), 2);
    assert!(auth.verify_password(&alice(), "secret", peer()).await.is_ok(), "the rest is as it was");

    // Who worked on a password that is gone would put another beside the new one.
    let task = auth.scram_tasks(&login).await.unwrap().remove(0);
    auth.set_password(&alice(), "other").await.unwrap();
    let before = auth.scram_verifier(&alice(), task.hash, peer()).await.unwrap();
    let salted = vec![7; task.hash.len()];
    assert_eq!(auth.finish_scram_task(&alice(), &task, &salted).await, Err(AuthError::Wrong));
    assert_eq!(auth.scram_verifier(&alice(), task.hash, peer()).await.unwrap(), before);
}
