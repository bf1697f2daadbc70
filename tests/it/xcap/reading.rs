//! What is well-formed, by libxml2's verdict on thousands of documents that are broken a little.

use std::{io::Write as _, process::Command};

use rollcall::documents::{Tree, TreeLimits};

use crate::support::repository;

const SAMPLES: &[&str] = &[
    include_str!("../../data/documents/blink-resource-lists.xml"),
    include_str!("../../data/documents/rfc5025-1.xml"),
    "<?xml version=\"1.0\"?><a:b xmlns:a='u:1' xmlns='u:2'><!-- c --><c a:d=\"&lt;&#65;\" d='x'>t&amp;]]<![CDATA[<]]>\
     </c ><?p i?><d xmlns=''/></a:b>\n<!-- e -->",
];
const PIECES: &[&str] = &[
    "<",
    ">",
    "/",
    "&",
    ";",
    "'",
    "\"",
    "=",
    ":",
    "!",
    "?",
    "-",
    "--",
    " ",
    "\n",
    "]]>",
    "<!--",
    "-->",
    "<a>",
    "</a>",
    "<a/>",
    "&lt;",
    "&#0;",
    "&#x41;",
    "&x;",
    "xmlns:q='u'",
    "xmlns=''",
    "q:",
    "a:",
    "<![CDATA[",
    "<?",
    "?>",
    "é",
    "\u{1}",
    "1",
    " a='1'",
];

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

fn mutate(text: &str, dice: &mut Dice) -> String {
    let mut text = text.to_owned();
    for _ in 0..=dice.roll(3) {
        let place =
            |dice: &mut Dice| (0..).map(|_| dice.roll(text.len() + 1)).find(|at| text.is_char_boundary(*at));
        let (one, other) = (place(dice).unwrap(), place(dice).unwrap());
        let piece = PIECES[dice.roll(PIECES.len())];
        match dice.roll(3) {
            0 => text.insert_str(one, piece),
            1 => text.replace_range(one..(one.max(other)).min(one + 8).min(text.len()).max(one), ""),
            _ => {
                let (start, end) = (one.min(other), one.max(other));
                let part = text[start..end.min(start + 20)].to_owned();
                text.insert_str(end, &part);
            }
        }
    }
    text
}

#[test]
fn libxml2_takes_the_same_documents_for_well_formed() {
    let mut dice = Dice(4825);
    let texts: Vec<String> = (0..6000).map(|turn| mutate(SAMPLES[turn % SAMPLES.len()], &mut dice)).collect();
    let mut oracle = Command::new(repository(".venv/bin/python"))
        .arg(repository("tests/interop/well_formed.py"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = oracle.stdin.take().unwrap();
    let lines: String = texts.iter().map(|text| serde_json::to_string(text).unwrap() + "\n").collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = oracle.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let verdicts: Vec<bool> =
        str::from_utf8(&output.stdout).unwrap().lines().map(|line| line == "true").collect();
    assert_eq!(verdicts.len(), texts.len());
    let ours = |text: &String| Tree::parse(text, &TreeLimits::default());
    let wrong: Vec<String> = texts
        .iter()
        .zip(&verdicts)
        .filter(|(text, verdict)| ours(text).is_ok() != **verdict)
        .map(|(text, verdict)| format!("libxml2 {verdict}, we {:?}: {text}", ours(text).err()))
        .collect();
    let good = verdicts.iter().filter(|verdict| **verdict).count();
    assert!(good > 300 && good < 5700, "{good} well-formed ones of {} prove little", texts.len());
    assert!(
        wrong.is_empty(),
        "{} verdicts differ, such as:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
}
