//! What a server says when it is ready: where a browser, a chat client and a phone find it, and how
//! the first account is made. A few lines for a newcomer, on the standard output.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// What there is to tell.
pub struct Welcome {
    /// The principal domain.
    pub domain: String,
    /// Where the page is, `https://localhost:5281/`; `None` where no page is served.
    pub page: Option<String>,
    /// The XCAP root that clients of presence look for; `None` where none is served over TLS.
    pub xcap: Option<String>,
    /// Where XMPP clients connect, each with its kind of security.
    pub xmpp: Vec<(&'static str, SocketAddr)>,
    /// Where other servers connect, each service with its port.
    pub federation: Vec<(&'static str, u16)>,
    /// Where phones connect, each with its transport.
    pub sip: Vec<(&'static str, SocketAddr)>,
    /// The certificate is one that nobody knows yet.
    pub self_signed: bool,
    /// The token of the one-time link, where there is no account yet.
    pub setup: Option<String>,
}

impl fmt::Display for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, .. } = self;
        writeln!(f, "Rollcall {} is ready for {domain}.\n", env!("CARGO_PKG_VERSION"))?;
        if let Some(page) = &self.page {
            writeln!(f, "  Browser      {page}")?;
        }
        print_entrances(f, "XMPP client", &format!("you@{domain}"), &self.xmpp)?;
        print_entrances(f, "SIP phone", &format!("sip:you@{domain}"), &self.sip)?;
        print_records(f, domain, &self.xmpp)?;
        if let Some(root) = &self.xcap {
            writeln!(f, "\nPhones find contacts and rules by this DNS record:")?;
            writeln!(f, "  xcap.{domain}. IN TXT \"{root}\"")?;
        }
        if !self.federation.is_empty() {
            writeln!(
                f,
                "\nOther XMPP servers find this one by these DNS records; HOST is this machine's name:"
            )?;
            for (service, port) in &self.federation {
                writeln!(f, "  {service}._tcp.{domain}. IN SRV 0 5 {port} HOST.")?;
            }
        }
        if self.self_signed {
            writeln!(f, "\nThe certificate is self-signed: programs will ask whether to trust it.")?;
        }
        match (&self.setup, &self.page) {
            (Some(token), Some(page)) => {
                writeln!(f, "\nThere is no account yet. Make the first, an administrator, with this link:")?;
                writeln!(f, "  {page}setup?token={token}\nIt works once, within a day.")
            }
            (Some(_), None) => {
                writeln!(f, "\nThere is no account yet. Make one: rollcall account add --admin you@{domain}")
            }
            (None, _) => Ok(()),
        }
    }
}

/// One line for a kind of client: who to log in as, and where.
fn print_entrances(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    who: &str,
    entrances: &[(&'static str, SocketAddr)],
) -> fmt::Result {
    if entrances.is_empty() {
        return Ok(());
    }
    let places: Vec<_> =
        entrances.iter().map(|(kind, address)| format!("{} ({kind})", place(*address))).collect();
    writeln!(f, "  {what:<12} {who}, server {}", places.join(" or "))
}

/// The DNS records by which chat clients elsewhere find the server (RFC 6120 §3.2.1, XEP-0368).
fn print_records(
    f: &mut fmt::Formatter<'_>,
    domain: &str,
    entrances: &[(&'static str, SocketAddr)],
) -> fmt::Result {
    let services = [("STARTTLS", "xmpp-client"), ("TLS", "xmpps-client")];
    let mut has_title = false;
    for (wanted, service) in services {
        let found = entrances.iter().find(|(kind, address)| *kind == wanted && !address.ip().is_loopback());
        let Some((_, address)) = found else { continue };
        if !std::mem::replace(&mut has_title, true) {
            writeln!(f, "\nChat clients find the server by these DNS records:")?;
        }
        writeln!(f, "  _{service}._tcp.{domain}. IN SRV 0 5 {} {domain}.", address.port())?;
    }
    Ok(())
}

/// An address as a person would type it.
#[must_use]
pub fn place(address: SocketAddr) -> String {
    if [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].contains(&address.ip()) {
        format!("localhost:{}", address.port())
    } else if address.ip().is_unspecified() {
        format!("this machine, port {}", address.port())
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome() -> Welcome {
        Welcome {
            domain: "localhost".to_owned(),
            page: Some("https://localhost:5281/".to_owned()),
            xcap: Some("https://localhost:5281/xcap-root".to_owned()),
            xmpp: vec![
                ("STARTTLS", "127.0.0.1:5222".parse().unwrap()),
                ("TLS", "[::1]:5223".parse().unwrap()),
                ("TLS", "[::]:443".parse().unwrap()),
            ],
            federation: vec![("_xmpp-server", 5269)],
            sip: vec![
                ("UDP", "0.0.0.0:5060".parse().unwrap()),
                // What is called localhost is another address.
                ("TCP", "127.0.0.2:5060".parse().unwrap()),
            ],
            self_signed: true,
            setup: Some("abc".to_owned()),
        }
    }

    #[test]
    fn newcomer_is_told_where_everything_is() {
        let text = welcome().to_string();
        for line in [
            "  Browser      https://localhost:5281/\n",
            "  XMPP client  you@localhost, server localhost:5222 (STARTTLS) or localhost:5223 (TLS) or this \
             machine, port 443 (TLS)\n",
            "  SIP phone    sip:you@localhost, server this machine, port 5060 (UDP) or 127.0.0.2:5060 \
             (TCP)\n",
            "  https://localhost:5281/setup?token=abc\n",
            "  xcap.localhost. IN TXT \"https://localhost:5281/xcap-root\"\n",
            "DNS records:\n  _xmpps-client._tcp.localhost. IN SRV 0 5 443 localhost.\n",
            "  _xmpp-server._tcp.localhost. IN SRV 0 5 5269 HOST.\n",
            "self-signed",
        ] {
            assert!(text.contains(line), "{line:?} is not in:\n{text}");
        }
    }

    #[test]
    fn who_has_accounts_is_not_offered_the_first_one() {
        let text = Welcome { setup: None, self_signed: false, ..welcome() }.to_string();
        assert!(!text.contains("setup") && !text.contains("self-signed"), "{text}");
        let text = Welcome { page: None, ..welcome() }.to_string();
        assert!(text.contains("rollcall account add --admin"), "{text}");
    }
}
