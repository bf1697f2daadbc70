//! Our verdicts on documents beside libxml2's, on the schemas of the specifications: on valid documents, and
//! on thousands that are a little beside one. Where they differ, another validator decides.

mod mutants;

use rollcall::{
    documents::{
        DirectoryEntry, Tree, TreeLimits, find_application, print_capabilities, print_directory, print_icon,
    },
    signal::Timestamp,
};
use serde_json::{Value, json};

use self::mutants::{Dice, mutant};
use crate::support::{Program, repository};

/// Mutants of each document.
const MUTANTS: usize = 500;

/// An application, the schema that its documents are held against, and a valid document.
const SUBJECTS: &[(&str, &str, &str)] = &[
    ("resource-lists", "resource-lists", "rfc4826-1"),
    ("resource-lists", "resource-lists", "blink-resource-lists"),
    ("rls-services", "rls-services", "rfc4826-2"),
    ("rls-services", "rls-services", "blink-rls-services"),
    ("pres-rules", "policy", "rfc5025-1"),
    ("pres-rules", "policy", "rfc4745-3"),
    ("pres-rules", "policy", "rfc4745-5"),
    ("org.openmobilealliance.pres-rules", "policy", "blink-pres-rules"),
    ("pidf-manipulation", "hard-state", "rfc4827-1"),
    ("pidf-manipulation", "hard-state", "blink-presence"),
    ("org.openmobilealliance.pres-content", "oma-pres-content", ""),
    ("org.openmobilealliance.xcap-directory", "xcap-directory", ""),
    ("xcap-caps", "xcap-caps", ""),
];

/// The document of a file, or one that the server makes.
fn document(auid: &str, file: &str) -> String {
    let entry = DirectoryEntry {
        auid: "resource-lists".into(),
        uri: "a%20b".into(),
        etag: "\"1\"".into(),
        changed: Timestamp(1_795_176_000_000),
        size: 7,
    };
    match auid {
        "xcap-caps" => print_capabilities(),
        "org.openmobilealliance.pres-content" => print_icon("image/png", b"picture"),
        "org.openmobilealliance.xcap-directory" => print_directory(&[entry]),
        _ => std::fs::read_to_string(repository(&format!("tests/data/documents/{file}.xml"))).unwrap(),
    }
}

/// What we say is wrong with a document; empty for nothing.
fn ours(auid: &str, document: &str) -> String {
    let tree = Tree::parse(document, &TreeLimits::default()).unwrap();
    let verdict = find_application(auid).unwrap().check_schema(&tree);
    verdict.err().map(|conflict| conflict.to_string()).unwrap_or_default()
}

/// What libxml2 says is wrong with documents.
async fn theirs(judge: &mut Program, schema: &str, documents: &[String]) -> Vec<Value> {
    let answer = judge.ask(json!({"do": "verdicts", "schema": schema, "documents": documents})).await;
    let verdicts = answer["verdicts"].as_array().unwrap().clone();
    assert_eq!(verdicts.len(), documents.len());
    verdicts
}

/// Where we are wider or narrower than the schemas, and want to be.
fn is_meant(ours: &str, theirs: &Value) -> bool {
    // An application has one root; a schema takes every element that it declares.
    let is_other_root = ours.contains(" was expected") && theirs.is_null();
    // The words of SER's presence module within an identity.
    let theirs = theirs.as_str().unwrap_or_default();
    let is_of_ser = ["}except'", "}id'", "}domain'"].iter().any(|name| theirs.contains(name));
    // The pattern of a quality has points that stand for any character.
    let is_quality = ours.contains("is not a number from 0 to 1");
    is_other_root || is_quality || ours.is_empty() && is_of_ser && theirs.contains("common-policy")
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_on_documents_and_their_mutants_are_those_of_libxml2() {
    let mut judge = Program::python("libxml2", "tests/interop/schema_verdicts.py", &[]);
    let (mut all, mut valid, mut overruled) = (0, 0, 0);
    for (number, (auid, schema, file)) in SUBJECTS.iter().enumerate() {
        let mut dice = Dice::new(u64::try_from(number).unwrap());
        let whole = document(auid, file);
        let mut documents = vec![whole.clone()];
        documents.extend((0..MUTANTS).filter_map(|_| mutant(&whole, &mut dice)));
        let verdicts = theirs(&mut judge, schema, &documents).await;
        assert_eq!((ours(auid, &whole).as_str(), &verdicts[0]), ("", &Value::Null), "{whole}");
        for (document, theirs) in documents.iter().zip(&verdicts) {
            let ours = ours(auid, document);
            all += 1;
            valid += usize::from(ours.is_empty());
            if ours.is_empty() == theirs.is_null() || is_meant(&ours, theirs) {
                continue;
            }
            overruled += 1;
            let opinion = json!({"do": "opinion", "schema": schema, "documents": [document]});
            let opinion = judge.ask(opinion).await["verdicts"][0].clone();
            assert_eq!(opinion, ours.is_empty(), "{ours:?} here, {theirs} there:\n{document}");
        }
    }
    println!("{all} documents, {valid} valid; libxml2 was overruled {overruled} times");
    assert!(
        all > MUTANTS * SUBJECTS.len() * 3 / 4 && valid > all / 5 && all - valid > all / 5,
        "{all} {valid}"
    );
    assert!(overruled * 500 < all, "{overruled} of {all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_judges_find_what_is_wrong() {
    let mut judge = Program::python("libxml2", "tests/interop/schema_verdicts.py", &[]);
    let right = document("", "rfc4826-1");
    let documents = [right.clone(), right.replace("entry uri", "entry url")];
    let verdicts = theirs(&mut judge, "resource-lists", &documents).await;
    assert_eq!((verdicts[0].is_null(), verdicts[1].is_null()), (true, false), "{verdicts:?}");
    let opinion = json!({"do": "opinion", "schema": "resource-lists", "documents": documents});
    assert_eq!(judge.ask(opinion).await["verdicts"], json!([true, false]));
}
