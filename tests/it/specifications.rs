//! What is said to be there is said alike everywhere: `docs/xmpp.md`, the table of the README and the DOAP file
//! name the same extensions, and every namespace that service discovery announces is one of theirs.

use std::{collections::BTreeSet, fs};

/// The numbers behind `XEP-` in the first cell of each row of a table, with those that follow after a comma.
fn in_table(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.split('|').nth(1));
    rows.flat_map(|cell| {
        let mut is_xep = false;
        let mut found = Vec::new();
        for part in cell.split([',', ';']).flat_map(|part| part.split(" and ")) {
            let part = part.trim();
            let number = part.strip_prefix("XEP-").unwrap_or(part).get(..4).unwrap_or_default();
            is_xep = part.starts_with("XEP-") || (is_xep && !part.starts_with("RFC"));
            if is_xep && number.chars().all(|digit| digit.is_ascii_digit()) && number.len() == 4 {
                found.push(number.to_owned());
            }
        }
        found
    })
    .collect()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(found, _)| found)
}

#[test]
fn extensions_are_the_same_in_every_list() {
    let documented = in_table(&fs::read_to_string("docs/xmpp.md").unwrap());
    assert!(documented.contains("0030") && documented.contains("0199"), "{documented:?}");
    let readme = fs::read_to_string("README.md").unwrap();
    let listed = in_table(between(&readme, "<!-- specifications -->", "<!-- /specifications -->"));
    assert_eq!(listed, documented, "README.md and docs/xmpp.md");
    let doap = fs::read_to_string("rollcall.doap").unwrap();
    let described: BTreeSet<String> =
        doap.split("/extensions/xep-").skip(1).filter_map(|rest| rest.get(..4)).map(str::to_owned).collect();
    assert_eq!(described, documented, "rollcall.doap and docs/xmpp.md");
}

#[test]
fn doap_file_is_well_formed() {
    let doap = fs::read_to_string("rollcall.doap").unwrap();
    roxmltree::Document::parse(&doap).unwrap();
}
