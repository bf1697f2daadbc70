//! An XCAP client on Python's HTTP library, driven through `tests/interop/xcap_client.py`.

use serde_json::{Value, json};

use super::{PASSWORD, Program};

/// A client of one user.
pub(crate) struct Xcap {
    client: Program,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u64,
    pub(crate) body: String,
    headers: Value,
}

impl Reply {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers[name][0].as_str()
    }

    pub(crate) fn tag(&self) -> String {
        self.header("etag").unwrap_or_else(|| panic!("no tag: {self:?}")).to_owned()
    }

    /// Fails unless this is the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u64) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Fails unless it is a conflict for this reason (RFC 4825 §11).
    #[track_caller]
    pub(crate) fn conflict(self, element: &str) -> Self {
        let reply = self.expect(409);
        assert_eq!(reply.header("content-type"), Some("application/xcap-error+xml"), "{reply:?}");
        assert!(reply.body.contains(&format!("<{element} phrase=")), "{element}: {reply:?}");
        reply
    }
}

impl Xcap {
    /// A client that answers Digest challenges in the realm of its own domain, and no other.
    pub(crate) async fn start(root: &str, user: &str, domain: &str) -> Self {
        Self::start_with(root, user, domain, "digest").await
    }

    /// `scheme` is `digest`, `basic` or `none`.
    pub(crate) async fn start_with(root: &str, user: &str, domain: &str, scheme: &str) -> Self {
        let name = format!("xcap client of {user}");
        let mut client = Program::python(&name, "tests/interop/xcap_client.py", &[]);
        let command = json!({
            "do": "start", "root": root, "user": user, "password": PASSWORD, "realm": domain, "scheme": scheme,
        });
        client.ask(command).await;
        Self { client }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, &[], None).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Reply {
        self.send("DELETE", path, &[], None).await
    }

    pub(crate) async fn put(&mut self, path: &str, media_type: &str, body: &str) -> Reply {
        self.send("PUT", path, &[("Content-Type", media_type)], Some(body.as_bytes())).await
    }

    /// Sends a request with any headers and bytes.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Reply {
        let headers: serde_json::Map<String, Value> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let body = body.map(|body| str::from_utf8(body).map_or_else(|_| json!(body), |text| json!(text)));
        let command =
            json!({ "do": "send", "method": method, "path": path, "headers": headers, "body": body });
        let reply = self.client.ask(command).await;
        Reply {
            status: reply["status"].as_u64().unwrap_or_default(),
            body: reply["body"].as_str().unwrap_or_default().to_owned(),
            headers: reply["headers"].clone(),
        }
    }
}
