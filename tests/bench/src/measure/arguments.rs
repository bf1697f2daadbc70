//! The command line: `load SCENARIO --option value ...`.

use std::{cell::RefCell, collections::HashMap, collections::HashSet, str::FromStr};

use anyhow::{Context as _, anyhow};

/// A scenario and its options.
pub struct Arguments {
    pub scenario: String,
    options: HashMap<String, String>,
    /// Options that were asked for, to find those that nobody knows.
    known: RefCell<HashSet<String>>,
}

impl Arguments {
    pub fn of_process() -> anyhow::Result<Self> {
        let mut words = std::env::args().skip(1);
        let scenario = words.next().context("usage: load SCENARIO [--option value ...]")?;
        let mut options = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").with_context(|| format!("{word:?} is no --option"))?;
            let value = words.next().with_context(|| format!("--{name} needs a value"))?;
            options.insert(name.to_owned(), value);
        }
        Ok(Self { scenario, options, known: RefCell::default() })
    }

    pub fn text(&self, name: &str, default: &str) -> String {
        self.value(name).unwrap_or(default).to_owned()
    }

    pub fn number<T: FromStr>(&self, name: &str, default: T) -> anyhow::Result<T> {
        match self.value(name) {
            Some(text) => text.parse().map_err(|_| anyhow!("--{name}: {text:?} is no such number")),
            None => Ok(default),
        }
    }

    pub fn is_yes(&self, name: &str, default: bool) -> bool {
        self.value(name).map_or(default, |text| text == "yes")
    }

    /// Options that the scenario did not look at.
    pub fn unknown(&self) -> Vec<&str> {
        let known = self.known.borrow();
        self.options.keys().filter(|name| !known.contains(*name)).map(String::as_str).collect()
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.known.borrow_mut().insert(name.to_owned());
        self.options.get(name).map(String::as_str)
    }
}
