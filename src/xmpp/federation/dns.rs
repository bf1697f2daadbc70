//! Where the server of a domain is (RFC 6120 §3.2, XEP-0368): what the operator says, what DNS says of the two
//! services, or the domain itself.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::RData,
};
use tracing::debug;

use super::Config;
use crate::signal::{Address, Reason, Reject, domain_in_ascii};

/// A place to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// A host name or an IP address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) direct_tls: bool,
}

/// What a record of a service says (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Service {
    priority: u16,
    weight: u16,
    candidate: Candidate,
}

/// Finds servers.
pub(super) struct Dns {
    resolver: Option<TokioResolver>,
    routes: Vec<(Address, Candidate)>,
}

impl Dns {
    /// As the operator wants it.
    pub(super) fn new(config: &Config) -> Self {
        let route = |route: &super::Route| {
            let (host, port) = route.place()?;
            let candidate = Candidate { host: host.to_owned(), port, direct_tls: route.direct_tls };
            Some((route.domain.clone(), candidate))
        };
        let resolver = resolver(&config.name_servers);
        if let Err(error) = &resolver {
            debug!(%error, "no name server is known");
        }
        Self { resolver: resolver.ok(), routes: config.routes.iter().filter_map(route).collect() }
    }

    /// The places to try for a domain, in this order.
    ///
    /// # Errors
    /// [`Reason::RemoteNotFound`] where there is no such domain, or it says that it has no such service.
    pub(super) async fn candidates(&self, domain: &Address) -> Result<Vec<Candidate>, Reject> {
        if let Some((_, candidate)) = self.routes.iter().find(|(routed, _)| routed == domain) {
            return Ok(vec![candidate.clone()]);
        }
        let itself = || vec![Candidate { host: bare(domain.domain()), port: PORT, direct_tls: false }];
        if bare(domain.domain()).parse::<IpAddr>().is_ok() {
            return Ok(itself());
        }
        let (plain, direct) = tokio::join!(
            self.services(domain, "_xmpp-server._tcp", false),
            self.services(domain, "_xmpps-server._tcp", true)
        );
        match choose(plain, direct, || rand().unwrap_or_default()) {
            Some(candidates) if candidates.is_empty() => {
                let text = format!("{domain} has no XMPP server");
                Err(Reject::with_text(Reason::RemoteNotFound, &text))
            }
            Some(candidates) => Ok(candidates),
            None => Ok(itself()),
        }
    }

    /// The records of one service; `None` where there are none.
    async fn services(&self, domain: &Address, service: &str, direct_tls: bool) -> Option<Vec<Service>> {
        let name = format!("{service}.{}.", domain.domain_in_ascii());
        let found = match self.resolver.as_ref()?.srv_lookup(name).await {
            Ok(found) => found,
            Err(error) => {
                debug!(%domain, service, %error, "no records");
                return None;
            }
        };
        let records = found.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(it) => Some(Service {
                priority: it.priority,
                weight: it.weight,
                candidate: Candidate {
                    host: it.target.to_ascii().trim_end_matches('.').to_owned(),
                    port: it.port,
                    direct_tls,
                },
            }),
            _ => None,
        });
        Some(records.take(MOST).collect::<Vec<_>>()).filter(|records| !records.is_empty())
    }

    /// The addresses of a host.
    ///
    /// # Errors
    /// [`Reason::RemoteNotFound`] where it has none.
    pub(super) async fn addresses(&self, candidate: &Candidate) -> Result<Vec<SocketAddr>, Reject> {
        let port = candidate.port;
        if let Ok(address) = candidate.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let not_found =
            || Reject::with_text(Reason::RemoteNotFound, &format!("{} has no address", candidate.host));
        let resolver = self.resolver.as_ref().ok_or_else(not_found)?;
        let found =
            resolver.lookup_ip(format!("{}.", domain_in_ascii(&candidate.host))).await.map_err(|error| {
                debug!(host = candidate.host, %error, "no address");
                not_found()
            })?;
        Ok(found.iter().take(MOST).map(|address| SocketAddr::new(address, port)).collect())
    }
}

fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    if servers.is_empty() {
        return TokioResolver::builder_tokio()?.build();
    }
    let server = |address: &SocketAddr| {
        let mut server = NameServerConfig::udp_and_tcp(address.ip());
        server.connections.iter_mut().for_each(|connection| connection.port = address.port());
        server
    };
    let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()
}

/// Both services as one (XEP-0368 §3), in the order of RFC 2782. A target of `.` says that there is no such
/// service; `None` where nothing is said of either.
fn choose(
    plain: Option<Vec<Service>>,
    direct: Option<Vec<Service>>,
    mut random: impl FnMut() -> u32,
) -> Option<Vec<Candidate>> {
    if plain.is_none() && direct.is_none() {
        return None;
    }
    let mut left: Vec<Service> = plain.into_iter().chain(direct).flatten().collect();
    left.retain(|service| !service.candidate.host.is_empty());
    let mut chosen = Vec::new();
    while let Some(priority) = left.iter().map(|service| service.priority).min() {
        let total: u32 =
            left.iter().filter(|it| it.priority == priority).map(|it| u32::from(it.weight)).sum();
        let mut ticket = random() % (total + 1);
        let is_drawn = |service: &Service| {
            let weight = u32::from(service.weight);
            let wins = service.priority == priority && ticket <= weight;
            if service.priority == priority {
                ticket = ticket.saturating_sub(weight);
            }
            wins
        };
        let Some(drawn) = left.iter().position(is_drawn) else { break };
        chosen.push(left.remove(drawn).candidate);
    }
    Some(chosen)
}

fn rand() -> Option<u32> {
    getrandom::u32().ok()
}

/// An IPv6 literal without its brackets.
fn bare(domain: &str) -> String {
    domain.trim_start_matches('[').trim_end_matches(']').to_owned()
}

const PORT: u16 = 5269;
/// Most records that are looked at.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn service(priority: u16, weight: u16, host: &str, direct_tls: bool) -> Service {
        Service { priority, weight, candidate: Candidate { host: host.to_owned(), port: 1, direct_tls } }
    }

    fn hosts(plain: Option<Vec<Service>>, direct: Option<Vec<Service>>, random: u32) -> Option<String> {
        let chosen = choose(plain, direct, || random)?;
        Some(chosen.iter().map(|it| it.host.as_str()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn services_are_tried_by_priority_then_by_weight() {
        let plain = || Some(vec![service(10, 0, "c", false), service(5, 1, "b", false)]);
        let direct = || Some(vec![service(5, 9, "a", true), service(20, 0, "d", true)]);
        assert_eq!(hosts(plain(), direct(), 0).as_deref(), Some("b a c d"));
        assert_eq!(hosts(plain(), direct(), 5).as_deref(), Some("a b c d"));
    }

    #[test]
    fn no_service_is_told_from_no_word() {
        let none = || Some(vec![service(0, 0, "", false)]);
        assert_eq!(hosts(None, None, 0), None);
        assert_eq!(hosts(none(), None, 0).as_deref(), Some(""));
        assert_eq!(hosts(none(), Some(vec![service(0, 0, "a", true)]), 0).as_deref(), Some("a"));
    }

    #[tokio::test]
    async fn routes_come_before_everything() {
        let config = "routes = [{ domain = 'b.example', server = '127.0.0.1:15269', direct_tls = true }]\n\
                      name_servers = ['127.0.0.1:1']";
        let dns = Dns::new(&toml::from_str(config).unwrap());
        let found = dns.candidates(&Address::parse("b.example").unwrap()).await.unwrap();
        assert_eq!(found, [Candidate { host: "127.0.0.1".to_owned(), port: 15269, direct_tls: true }]);
        assert_eq!(dns.addresses(&found[0]).await.unwrap(), ["127.0.0.1:15269".parse().unwrap()]);
    }

    #[tokio::test]
    async fn literal_addresses_need_no_name_server() {
        let dns = Dns::new(&toml::from_str("name_servers = ['127.0.0.1:1']").unwrap());
        for (domain, address) in [("127.0.0.7", "127.0.0.7:5269"), ("[::1]", "[::1]:5269")] {
            let found = dns.candidates(&Address::parse(domain).unwrap()).await.unwrap();
            assert_eq!(dns.addresses(&found[0]).await.unwrap(), [address.parse().unwrap()]);
        }
    }
}
