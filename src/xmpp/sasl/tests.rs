use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::*;

fn offer() -> Offer {
    Offer { allows_plain: true, ..Offer::default() }
}

fn bound_offer() -> Offer {
    let bindings = Bindings { exporter: Some(vec![7; 32]), end_point: Some(vec![9; 32]) };
    Offer { allows_plain: true, bindings, ..Offer::default() }
}

/// The verifiers of the password "pencil", as RFC 5802 §5 and RFC 7677 §3 use it.
fn verifier(hash: Hash, salt: &str) -> Verifier {
    let salt = BASE64.decode(salt).expect("base64");
    let (client_key, server_key) = keys(hash, &salt);
    let stored_key = match hash {
        Hash::Sha1 => Sha1::digest(&client_key).to_vec(),
        _ => Sha256::digest(&client_key).to_vec(),
    };
    Verifier { salt, iterations: 4096, stored_key, server_key }
}

fn keys(hash: Hash, salt: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut salted = vec![0; if hash == Hash::Sha1 { 20 } else { 32 }];
    match hash {
        Hash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(b"pencil", salt, 4096, &mut salted),
        _ => pbkdf2::pbkdf2_hmac::<Sha256>(b"pencil", salt, 4096, &mut salted),
    }
    (hmac(hash, &salted, b"Client Key"), hmac(hash, &salted, b"Server Key"))
}

fn hmac(hash: Hash, key: &[u8], message: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha1 => {
            let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key).expect("any key");
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        }
        _ => {
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("any key");
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        }
    }
}

const SHA256_SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const SHA256_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

#[test]
fn rfc_5802_example_passes() {
    let mut exchange = Exchange::new(Mechanism::Scram { hash: Hash::Sha1, is_plus: false }, &offer());
    let step = exchange.handle_response(Some(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"));
    assert_eq!(step, Ok(Step::NeedVerifier { username: "user".into(), hash: Hash::Sha1 }));
    let verifier = verifier(Hash::Sha1, "QSXCR+Q6sek8bf92");
    let step = exchange.handle_verifier(verifier, "3rfcNHYJY1ZVvWVs7j");
    let challenge = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
    assert_eq!(step, Ok(Step::Challenge(challenge.to_vec())));
    let last = b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";
    let additional = b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=".to_vec();
    assert_eq!(
        exchange.handle_response(Some(last)),
        Ok(Step::Success { username: "user".into(), authzid: None, additional })
    );
}

#[test]
fn rfc_7677_example_passes() {
    let mut exchange = Exchange::new(Mechanism::Scram { hash: Hash::Sha256, is_plus: false }, &offer());
    exchange.handle_response(Some(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")).expect("first message");
    exchange.handle_verifier(verifier(Hash::Sha256, SHA256_SALT), SHA256_NONCE).expect("challenge");
    let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                 p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let additional = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_vec();
    assert_eq!(
        exchange.handle_response(Some(last)),
        Ok(Step::Success { username: "user".into(), authzid: None, additional })
    );
}

/// Plays a client of SCRAM-SHA-256 that knows the password. `bound` is what it says in `c=`.
fn play(is_plus: bool, offer: &Offer, gs2: &str, binding: &[u8], spoil: Spoil) -> Result<Step, Failure> {
    let mut exchange = Exchange::new(Mechanism::Scram { hash: Hash::Sha256, is_plus }, offer);
    let bare = "n=us=2Cer,r=abc";
    exchange.handle_response(Some(format!("{gs2}{bare}").as_bytes()))?;
    let verifier = verifier(Hash::Sha256, SHA256_SALT);
    let (client_key, _) = keys(Hash::Sha256, &verifier.salt);
    let stored_key = verifier.stored_key.clone();
    let Step::Challenge(challenge) = exchange.handle_verifier(verifier, "XYZ")? else {
        panic!("no challenge")
    };
    let challenge = String::from_utf8(challenge).expect("utf-8");
    let nonce = if spoil == Spoil::Nonce { "abcXYz" } else { "abcXYZ" };
    let cbind = BASE64.encode([gs2.as_bytes(), binding].concat());
    let without_proof = format!("c={cbind},r={nonce}");
    let authenticated = format!("{bare},{challenge},{without_proof}");
    let signature = hmac(Hash::Sha256, &stored_key, authenticated.as_bytes());
    let mut proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
    match spoil {
        Spoil::Proof => proof[0] ^= 1,
        Spoil::ProofLength => drop(proof.pop()),
        _ => {}
    }
    exchange.handle_response(Some(format!("{without_proof},p={}", BASE64.encode(proof)).as_bytes()))
}

#[derive(Clone, Copy, PartialEq)]
enum Spoil {
    Nothing,
    Proof,
    ProofLength,
    Nonce,
}

#[test]
fn channel_binding_is_checked() {
    let (bound, plain) = (bound_offer(), offer());
    let exporter = [7; 32];
    // -PLUS or not, offer, GS2 header, bound data, whether it must succeed.
    let cases: &[(bool, &Offer, &str, &[u8], bool)] = &[
        (false, &plain, "n,,", b"", true),
        (false, &plain, "y,,", b"", true),
        (false, &bound, "n,,", b"", true),
        (false, &bound, "y,,", b"", false),
        (true, &bound, "p=tls-exporter,,", &exporter, true),
        (true, &bound, "p=tls-server-end-point,,", &[9; 32], true),
        (true, &bound, "p=tls-exporter,,", &[9; 32], false),
        (true, &bound, "p=tls-unique,,", &exporter, false),
        (true, &bound, "n,,", b"", false),
        (true, &bound, "y,,", b"", false),
        (false, &bound, "p=tls-exporter,,", &exporter, false),
        (false, &plain, "n,,", b"more", false),
    ];
    for (is_plus, offer, gs2, binding, succeeds) in cases {
        let outcome = play(*is_plus, offer, gs2, binding, Spoil::Nothing);
        assert_eq!(matches!(outcome, Ok(Step::Success { .. })), *succeeds, "{is_plus} {gs2} {outcome:?}");
    }
}

#[test]
fn a_wrong_proof_is_told_apart_from_garbage() {
    for spoil in [Spoil::Proof, Spoil::ProofLength, Spoil::Nonce] {
        let outcome = play(false, &offer(), "n,,", b"", spoil);
        assert_eq!(outcome, Ok(Step::WrongProof { username: "us,er".into() }));
    }
}

#[test]
fn the_authorization_identity_is_handed_on() {
    let outcome = play(false, &offer(), "n,a=a=3Db@c,", b"", Spoil::Nothing);
    assert!(matches!(outcome, Ok(Step::Success { authzid: Some(id), .. }) if id == "a=b@c"));
}

#[test]
fn malformed_first_messages_are_refused() {
    let cases = [
        "",
        "n",
        "n,",
        "n,,",
        "x,,n=u,r=a",
        "n,b,n=u,r=a",
        "n,,n=,r=a",
        "n,,n=u",
        "n,,n=u,r=",
        "n,,r=a,n=u",
        "n,,m=x,n=u,r=a",
        "n,,n=u,r=a,m=x",
        "n,,n=u=,r=a",
        "n,,n=u=2c,r=a",
        "n,,n=u,r=a b",
        "n,,n=u,r=\u{e9}",
        "n,,n=u,r=a,1=b",
        "p=,,n=u,r=a",
        "n,,n=\u{7},r=a",
    ];
    for case in cases {
        let mut exchange = Exchange::new(Mechanism::Scram { hash: Hash::Sha1, is_plus: false }, &offer());
        let outcome = exchange.handle_response(Some(case.as_bytes()));
        assert_eq!(outcome, Err(Failure::MalformedRequest), "{case}");
    }
}

#[test]
fn malformed_final_messages_are_refused() {
    for case in [
        "",
        "c=biws",
        "c=biws,r=abcXYZ",
        "r=abcXYZ,c=biws,p=AA==",
        "c=!,r=abcXYZ,p=AA==",
        "c=biws,r=abcXYZ,p=!",
    ] {
        let mut exchange = Exchange::new(Mechanism::Scram { hash: Hash::Sha256, is_plus: false }, &offer());
        exchange.handle_response(Some(b"n,,n=u,r=abc")).expect("first message");
        exchange.handle_verifier(verifier(Hash::Sha256, SHA256_SALT), "XYZ").expect("challenge");
        assert_eq!(exchange.handle_response(Some(case.as_bytes())), Err(Failure::MalformedRequest), "{case}");
    }
}

#[test]
fn plain_is_read_strictly() {
    let read = |message: &[u8]| Exchange::new(Mechanism::Plain, &offer()).handle_response(Some(message));
    let password = || Step::CheckPassword { username: "alice".into(), password: "p w".into(), authzid: None };
    assert_eq!(read(b"\0alice\0p w"), Ok(password()));
    assert!(
        matches!(read(b"a@b\0alice\0x"), Ok(Step::CheckPassword { authzid: Some(id), .. }) if id == "a@b")
    );
    for case in [&b""[..], b"\0alice", b"\0\0x", b"\0alice\0", b"\0a\0b\0c", b"\0\xff\0x"] {
        assert_eq!(read(case), Err(Failure::MalformedRequest), "{}", case.escape_ascii());
    }
}

#[test]
fn a_client_may_begin_with_its_second_word() {
    let mut exchange = Exchange::new(Mechanism::Plain, &offer());
    assert_eq!(exchange.handle_response(None), Ok(Step::Challenge(Vec::new())));
    assert!(matches!(exchange.handle_response(Some(b"\0a\0b")), Ok(Step::CheckPassword { .. })));
    assert_eq!(exchange.handle_response(Some(b"\0a\0b")), Err(Failure::MalformedRequest));
}

#[test]
fn the_offer_follows_the_connection() {
    let names = |offer: &Offer| offer.mechanisms().collect::<Vec<_>>().join(" ");
    assert_eq!(names(&offer()), "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN");
    assert_eq!(names(&Offer::default()), "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1");
    assert!(names(&bound_offer()).starts_with("SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS "));
    assert_eq!(Offer::default().find("PLAIN"), None);
    assert_eq!(offer().find("SCRAM-SHA-1-PLUS"), None);
}
