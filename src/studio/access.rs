//! Who may talk to the studio: pages that it has served itself, to whoever holds its token.
//!
//! A page elsewhere can make a browser send requests here. It cannot choose their `Host` (a name
//! that is made to lead to this machine is not ours), nor their `Origin`, nor read or set our
//! cookie. Programs on this machine can do all of that, but do not know the token.

use crate::http::{Request, Response};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

/// Secrets of one start, and the names that it answers to.
#[derive(Debug)]
pub struct Access {
    /// What the printed address carries.
    token: String,
    /// What the address carries that is handed to the browser on its command line, where others may
    /// see it: good for one time.
    ticket: Mutex<Option<String>>,
    /// What the cookie carries.
    session: String,
    address: SocketAddr,
}

impl Access {
    /// New secrets for a server that listens at `address`.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new(address: SocketAddr) -> Result<Self, getrandom::Error> {
        Ok(Self {
            token: secret()?,
            ticket: Mutex::new(Some(secret()?)),
            session: secret()?,
            address,
        })
    }

    /// The address to print.
    pub fn url(&self) -> String {
        format!("{}/#{}", self.origin(), self.token)
    }

    /// The address to open a browser with.
    pub fn ticket_url(&self) -> String {
        let ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{}/#{}",
            self.origin(),
            ticket.as_deref().unwrap_or_default()
        )
    }

    /// The address without a secret.
    pub fn origin(&self) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        match ip {
            _ if ip.is_unspecified() => format!("http://127.0.0.1:{port}"),
            IpAddr::V4(ip) => format!("http://{ip}:{port}"),
            IpAddr::V6(ip) => format!("http://[{ip}]:{port}"),
        }
    }

    /// Lets a request pass, or says why not.
    ///
    /// # Errors
    /// The answer.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Box<Response>> {
        let refuse = |status, why| Err(Box::new(Response::text(status, why)));
        let host = request.field("host").unwrap_or_default();
        if !self.answers_to(host) {
            return refuse(421, "effigy studio does not answer to this name");
        }
        let reads = matches!(request.method(), "GET" | "HEAD");
        if !reads && request.field("origin") != Some(&format!("http://{host}")) {
            return refuse(403, "only the studio's own pages may change anything");
        }
        let path = request.path();
        if !path.starts_with("/api/") && !path.starts_with("/files/") {
            return Ok(());
        }
        // Where a browser tells it: pages of other ports of this machine count as the same site, for
        // which cookies travel.
        let from = request.field("sec-fetch-site").unwrap_or("same-origin");
        if !matches!(from, "same-origin" | "none") {
            return refuse(403, "only the studio's own pages may ask for this");
        }
        if path != "/api/session" && !self.has_cookie(request) {
            return refuse(401, "open the address that effigy studio has printed");
        }
        Ok(())
    }

    /// The cookie for a token; `None` for a wrong one.
    pub fn admit(&self, token: &str) -> Option<String> {
        let mut ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        let by_ticket = ticket.as_deref().is_some_and(|ticket| same(ticket, token));
        if by_ticket {
            *ticket = None;
        }
        let admitted = by_ticket || same(&self.token, token);
        let (name, session) = (self.cookie(), &self.session);
        admitted.then(|| format!("{name}={session}; Path=/; SameSite=Strict; HttpOnly"))
    }

    /// Cookies are those of a host with all its ports: each studio has its own name.
    fn cookie(&self) -> String {
        format!("effigy-{}", self.address.port())
    }

    fn has_cookie(&self, request: &Request<'_>) -> bool {
        let name = self.cookie();
        let cookies = request.field("cookie").unwrap_or_default().split(';');
        let mut pairs = cookies.filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(n, value)| n == name && same(value, &self.session))
    }

    /// Loopback by its three names; with `--listen` also the address itself, which no name server
    /// can make another's.
    fn answers_to(&self, host: &str) -> bool {
        let Some(name) = host.strip_suffix(&format!(":{}", self.address.port())) else {
            return false;
        };
        if matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
            return true;
        }
        let bare = name
            .strip_prefix('[')
            .and_then(|n| n.strip_suffix(']'))
            .unwrap_or(name);
        let ours = self.address.ip();
        match bare.parse::<IpAddr>() {
            // All of this machine's addresses, but not the one that means all: pages elsewhere reach this
            // machine by it.
            Ok(ip) if ours.is_unspecified() => !ip.is_unspecified(),
            Ok(ip) => ip == ours,
            Err(_) => false,
        }
    }
}

/// 32 random bytes as text.
fn secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether two secrets are one, in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    let differ = a
        .bytes()
        .zip(b.bytes())
        .fold(0, |seen, (a, b)| seen | (a ^ b));
    a.len() == b.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(address: &str) -> Access {
        Access::new(address.parse().unwrap()).unwrap()
    }

    #[test]
    fn it_answers_to_loopback_names_with_its_port() {
        let access = access("127.0.0.1:8117");
        for host in ["localhost:8117", "127.0.0.1:8117", "[::1]:8117"] {
            assert!(access.answers_to(host), "{host}");
        }
        let foreign = [
            "evil.test:8117",
            "127.0.0.1:80",
            "127.0.0.1",
            "",
            "10.0.0.1:8117",
        ];
        for host in foreign
            .iter()
            .chain(&["localhost.evil.test:8117", "localhost:8117:8117"])
        {
            assert!(!access.answers_to(host), "{host}");
        }
    }

    #[test]
    fn listening_elsewhere_adds_addresses_and_no_names() {
        let one = access("192.168.1.5:8117");
        assert!(one.answers_to("192.168.1.5:8117") && one.answers_to("localhost:8117"));
        assert!(!one.answers_to("192.168.1.6:8117") && !one.answers_to("studio.lan:8117"));
        let all = access("0.0.0.0:8117");
        assert!(all.answers_to("192.168.1.6:8117") && !all.answers_to("studio.lan:8117"));
        assert!(!all.answers_to("0.0.0.0:8117") && !all.answers_to("[::]:8117"));
    }

    #[test]
    fn a_ticket_admits_once_and_a_token_always() {
        let access = access("127.0.0.1:8117");
        let url = access.ticket_url();
        let ticket = url.split('#').nth(1).unwrap();
        assert!(access.admit(ticket).is_some() && access.admit(ticket).is_none());
        assert!(
            access.admit("").is_none(),
            "a used ticket is not an empty one"
        );
        let url = access.url();
        let token = url.split('#').nth(1).unwrap();
        assert!(access.admit(token).is_some() && access.admit(token).is_some());
        assert!(access.admit(&token[1..]).is_none());
    }
}
