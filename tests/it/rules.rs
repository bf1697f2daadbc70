//! The owner's policy and her automated rules, seen by phones, chat clients, pages and programs.

use serde_json::{Value, json};

use crate::support::Web;

mod calls;
mod hooks;
mod lasting;
mod messages;
mod policy;
mod routes;

/// Sets the rules of somebody who is logged in.
async fn automate(web: &Web, rules: Value) {
    web.put("/api/rules", &json!({ "rules": rules })).await.expect(204);
}
