//! Asks for a new password: twice on a terminal, without showing it, or once from a pipe.

use std::io::{self, BufRead as _, IsTerminal as _};

use anyhow::{Context as _, ensure};

/// Where a new password comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The person at the terminal.
    Terminal,
    /// The first line of the standard input.
    Input,
}

/// A new password.
pub(super) fn ask(source: Source) -> anyhow::Result<String> {
    match source {
        Source::Input => first_line(io::stdin().lock()),
        Source::Terminal => {
            ensure!(io::stdin().is_terminal(), "there is no terminal: use --password-stdin");
            let once = rpassword::prompt_password("New password: ").context("no password")?;
            let again = rpassword::prompt_password("Again: ").context("no password")?;
            ensure!(once == again, "the two passwords differ");
            Ok(once)
        }
    }
}

fn first_line(input: impl io::BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    input.take(LINE_BYTES).read_line(&mut line).context("the password cannot be read")?;
    ensure!(!line.is_empty(), "the standard input holds no password");
    let line = line.strip_suffix('\n').map_or(line.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.to_owned())
}

/// More than any password may have.
const LINE_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_the_first_line_and_nothing_else() {
        for (input, expect) in
            [("secret\n", "secret"), ("secret", "secret"), ("a b \r\nx\n", "a b "), ("\n", "")]
        {
            assert_eq!(first_line(input.as_bytes()).unwrap(), expect);
        }
        assert!(first_line(&b""[..]).is_err());
        assert!(first_line(&b"\xff\n"[..]).is_err());
    }
}
