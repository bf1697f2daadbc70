//! A person at the page: Chromium, driven through `tests/browser/driver.mjs`.

use serde_json::{Value, json};

use super::{Program, repository};

/// One browser with one page and a profile of its own.
pub(crate) struct Browser {
    driver: Program,
}

impl Browser {
    /// Starts Chromium.
    pub(crate) async fn start(name: &str) -> Self {
        let driver = repository("tests/browser/driver.mjs");
        let mut driver = Program::node(name, &[driver]);
        driver.hear("Chromium", |line| line.contains("\"browser\"").then_some(())).await;
        Self { driver }
    }

    /// Does something that `tests/browser/driver.mjs` knows, and waits until it is done.
    #[track_caller]
    pub(crate) fn act(&mut self, deed: Value) -> impl Future<Output = Value> {
        self.driver.ask(deed)
    }

    /// Opens an address.
    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) -> impl Future<Output = Value> {
        self.act(json!({"do": "open", "url": url}))
    }

    /// Writes into the field with a label.
    #[track_caller]
    pub(crate) fn fill(&mut self, label: &str, text: &str) -> impl Future<Output = Value> {
        self.act(json!({"do": "fill", "label": label, "text": text}))
    }

    /// Clicks the button with a name.
    #[track_caller]
    pub(crate) fn click(&mut self, button: &str) -> impl Future<Output = Value> {
        self.act(json!({"do": "click", "role": "button", "name": button}))
    }

    /// Waits until a text is visible.
    #[track_caller]
    pub(crate) fn see(&mut self, text: &str) -> impl Future<Output = Value> {
        self.act(json!({"do": "see", "text": text}))
    }

    /// Waits until a text is not visible.
    #[track_caller]
    pub(crate) fn miss(&mut self, text: &str) -> impl Future<Output = Value> {
        self.act(json!({"do": "miss", "text": text}))
    }
}

mod tests {
    use super::*;

    #[tokio::test]
    async fn page_is_seen_and_clicked() {
        let mut browser = Browser::start("a reader").await;
        browser.open("data:text/html,<label>Name <input></label><button onclick='document.title=1;this.remove()'>Go</button>").await;
        browser.fill("Name", "Alice").await;
        browser.see("Go").await;
        browser.click("Go").await;
        browser.miss("Go").await;
    }
}
