//! The integration tests that Smack publishes for its users' servers, against the program. tests/interop/smack says which
//! are not run, and why.

use tokio::process::Command;

use crate::support::{PATIENCE, Program, repository};

#[tokio::test]
async fn published_integration_tests_of_smack_pass() {
    let mut command = Command::new(repository("tests/interop/smack/run"));
    command.arg(env!("CARGO_BIN_EXE_rollcall"));
    // They take a minute where they have the machine to themselves, and half of that is Java's.
    let said = Program::start("the tests of Smack", &mut command).finish_within(PATIENCE * 15).await;
    let passed = said.lines().find_map(|line| {
        let (passed, failed) = line.strip_prefix("smack: ")?.split_once(" passed, ")?;
        (failed == "0 failed").then(|| passed.parse::<u32>().unwrap())
    });
    assert!(passed >= Some(50), "{passed:?} passed: {said}");
}
