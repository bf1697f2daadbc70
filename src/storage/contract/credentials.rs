//! What lets somebody in is kept, and ends when it is to end.

use super::*;

#[test]
fn credentials_devices_and_tokens_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let label = |label: &str| label.to_owned();
    let phone = store.add_device(key, label("phone"), b"p".to_vec(), Timestamp(2), 2).unwrap().unwrap();
    store.add_device(key, label("tablet"), b"t".to_vec(), Timestamp(3), 2).unwrap().unwrap();
    assert_eq!(store.add_device(key, label("third"), Vec::new(), Timestamp(4), 2), Ok(None));
    store.touch_device(phone, Timestamp(9));
    let token = TokenRecord {
        hash: [7; 32],
        kind: TokenKind::Bearer,
        account: Some(address("alice")),
        label: label("script"),
        created: Timestamp(1),
        expires: Timestamp(100),
        last_used: None,
    };
    let setup = TokenRecord { hash: [8; 32], kind: TokenKind::Setup, account: None, ..token.clone() };
    assert_eq!(store.put_token(token.clone(), 1), Ok(true));
    assert_eq!(store.put_token(TokenRecord { hash: [9; 32], ..token.clone() }, 1), Ok(false));
    assert_eq!(store.put_token(setup.clone(), 1), Ok(true));
    store.touch_token([7; 32], Timestamp(50), Timestamp(200));
    store.set_setting("a", b"1".to_vec()).unwrap();

    let used = TokenRecord { last_used: Some(Timestamp(50)), expires: Timestamp(200), ..token.clone() };
    assert_eq!(store.token(&[7; 32]), Ok(Some(used.clone())));
    assert_eq!(store.tokens(key), Ok(vec![used]));
    assert_eq!(store.token(&[8; 32]), Ok(Some(setup.clone())));
    assert_eq!(store.tokens_of_kind(TokenKind::Setup, 5), Ok(vec![setup]));
    assert_eq!(store.tokens_of_kind(TokenKind::Bearer, 0), Ok(Vec::new()));
    assert_eq!((store.remove_token([8; 32]), store.remove_token([8; 32])), (Ok(true), Ok(false)));
    assert_eq!(store.setting("a"), Ok(Some(b"1".to_vec())));

    let record = store.credential(&address("alice")).unwrap().unwrap();
    assert_eq!((&record.credential[..], record.changed), (&b"sealed"[..], Timestamp(1)));
    assert_eq!((record.devices.len(), record.devices[0].last_used), (2, Some(Timestamp(9))));
    assert_eq!((store.remove_device(key, phone), store.remove_device(key, phone)), (Ok(true), Ok(false)));
    store.set_credential(key, b"new".to_vec(), Timestamp(5)).unwrap();
    assert_eq!(store.tokens(key), Ok(Vec::new()));
    let later = TokenRecord { hash: [1; 32], created: Timestamp(500), expires: Timestamp(600), ..token };
    store.put_token(later, 1).unwrap();
    store.remove_account(&address("alice")).unwrap();
    assert_eq!(store.token(&[1; 32]), Ok(None));
}
