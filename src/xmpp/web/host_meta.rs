//! XEP-0156: how pages find the ways by which XMPP comes over the web, in XML and in JSON (RFC 6415).

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::{Web, origin};
use crate::xmpp::stanza::print_attribute;

/// `GET /.well-known/host-meta`
pub(super) async fn show(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let links: String = links(&web).iter().map(|(rel, href)| print_link(rel, href)).collect();
    let text = format!("<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='{XRD}'>{links}</XRD>\n");
    answer(&headers, "application/xrd+xml; charset=utf-8", text)
}

/// `GET /.well-known/host-meta.json`
pub(super) async fn show_json(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let links: Vec<_> =
        links(&web).into_iter().map(|(rel, href)| serde_json::json!({"rel": rel, "href": href})).collect();
    let text = serde_json::json!({ "links": links }).to_string();
    answer(&headers, "application/json", text)
}

/// Every way, by what it is.
fn links(web: &Web) -> Vec<(&'static str, String)> {
    let config = &web.shared.config;
    let base = web.shared.web_address();
    // `https` becomes `wss`, `http` becomes `ws`.
    let socket = base.replacen("http", "ws", 1);
    let ways = [
        ("urn:xmpp:alt-connections:websocket", socket.as_str(), &config.websocket),
        ("urn:xmpp:alt-connections:xbosh", base, &config.bosh),
    ];
    let open = ways.into_iter().filter(|(_, _, path)| !path.is_empty());
    open.map(|(rel, base, path)| (rel, format!("{base}{path}"))).collect()
}

fn print_link(rel: &str, href: &str) -> String {
    let mut address = Vec::new();
    print_attribute(href, &mut address);
    format!("<Link rel='{rel}' href='{}'/>", String::from_utf8_lossy(&address))
}

/// It is for every page to read: it says nothing that DNS would not.
fn answer(asked: &HeaderMap, media_type: &'static str, text: String) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    origin::grant(&["*".to_owned()], asked, "GET", headers);
    response
}

const XRD: &str = "http://docs.oasis-open.org/ns/xri/xrd-1.0";
