//! The command line: `crowd COMMAND --option value ...`.

use std::{collections::HashMap, env, str::FromStr};

use anyhow::{Context as _, anyhow};

/// A command and its options.
pub struct Options {
    pub command: String,
    values: HashMap<String, String>,
}

impl Options {
    pub fn of_process() -> anyhow::Result<Self> {
        let mut words = env::args().skip(1);
        let command = words.next().context("usage: crowd COMMAND [--option value ...]")?;
        let mut values = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").with_context(|| format!("{word:?} is no --option"))?;
            values.insert(name.to_owned(), words.next().with_context(|| format!("--{name} needs a value"))?);
        }
        Ok(Self { command, values })
    }

    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.values.get(name).map_or(default, String::as_str)
    }

    pub fn number<T: FromStr>(&self, name: &str, default: T) -> anyhow::Result<T> {
        match self.values.get(name) {
            Some(text) => text.parse().map_err(|_| anyhow!("--{name}: {text:?} is no such number")),
            None => Ok(default),
        }
    }

    /// Numbers with commas between them.
    pub fn numbers(&self, name: &str, default: &str) -> anyhow::Result<Vec<usize>> {
        let text = self.text(name, default);
        text.split(',').map(|one| one.parse().with_context(|| format!("--{name}: {text:?}"))).collect()
    }
}
