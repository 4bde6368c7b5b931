//! From the route table to the packet filter's rules: pure text, no effects.
//!
//! One table, named after the bridge, replaced whole in one transaction. Services and published
//! ports are looked up in maps, so the cost of a packet does not grow with their number.

use std::{collections::BTreeMap, fmt::Write as _, net::Ipv4Addr};

use ostler_core::{id::ServiceKey, spec::Protocol};

use super::addresses::Subnet;
use crate::backend::{RoutePort, RouteTable};

/// What the rules are made of.
pub(super) struct Rules<'a> {
    pub(super) bridge: &'a str,
    pub(super) subnet: Subnet,
    pub(super) table: &'a RouteTable,
    /// Every service's own address.
    pub(super) addresses: &'a BTreeMap<ServiceKey, Ipv4Addr>,
    /// Which ports of the host may be published now.
    pub(super) may_publish: &'a dyn Fn(Protocol, u16) -> bool,
}

/// A choice among instances, shared by a service's own port and its published one; or a proxy.
struct Choice {
    backends: Vec<Ipv4Addr>,
    protocol: &'static str,
    port: u16,
    of_instances: bool,
}

#[derive(Default)]
struct Parts {
    choices: Vec<Choice>,
    services: Vec<String>,
    published: BTreeMap<String, String>,
}

impl Rules<'_> {
    /// The script for `nft -f`.
    pub(super) fn script(&self) -> String {
        let parts = self.parts();
        let name = self.bridge;
        let mut text = format!("table ip {name}\ndelete table ip {name}\ntable ip {name} {{\n");
        self.write_maps(&mut text, &parts);
        for (number, choice) in parts.choices.iter().enumerate() {
            write_choice(&mut text, number, choice);
        }
        self.write_chains(&mut text);
        text.push_str("}\n");
        text
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        for (key, route) in &self.table.services {
            let Some(address) = self.addresses.get(key) else {
                continue;
            };
            for port in &route.ports {
                self.lead_to_proxy(&mut parts, port);
                // Without instances there is no rule: what arrives is refused at once.
                if route.backends.is_empty() {
                    continue;
                }
                let (number, protocol) = (parts.choices.len(), word(port.protocol));
                let mut backends = route.backends.clone();
                backends.sort_unstable();
                backends.dedup();
                parts.choices.push(Choice {
                    backends,
                    protocol,
                    port: port.port,
                    of_instances: true,
                });
                parts.services.push(format!(
                    "{address} . {protocol} . {} : goto to_{number}",
                    port.port
                ));
                if let Some(publish) = port
                    .publish
                    .filter(|port_| (self.may_publish)(port.protocol, *port_))
                {
                    // Of two services that publish the same port the first by name has it; one that a
                    // proxy has is not for the instances.
                    let wanted = format!("{protocol} . {publish}");
                    parts
                        .published
                        .entry(wanted)
                        .or_insert(format!("goto to_{number}"));
                }
            }
        }
        parts
    }

    /// What arrives at a published port that a proxy takes, with or without instances: it is the one to
    /// say that there are none.
    fn lead_to_proxy(&self, parts: &mut Parts, port: &RoutePort) {
        let publish = port
            .publish
            .filter(|number| (self.may_publish)(port.protocol, *number));
        let (Some(publish), Some(via)) = (publish, port.via) else {
            return;
        };
        let (number, protocol) = (parts.choices.len(), word(port.protocol));
        let wanted = format!("{protocol} . {publish}");
        if parts.published.contains_key(&wanted) {
            return;
        }
        parts.published.insert(wanted, format!("goto to_{number}"));
        parts.choices.push(Choice {
            backends: vec![*via.ip()],
            protocol,
            port: via.port(),
            of_instances: false,
        });
    }

    fn write_maps(&self, text: &mut String, parts: &Parts) {
        let published: Vec<String> = parts
            .published
            .iter()
            .map(|(port, verdict)| format!("{port} : {verdict}"))
            .collect();
        let mut own: Vec<String> = parts
            .choices
            .iter()
            .filter(|choice| choice.of_instances)
            .flat_map(|choice| &choice.backends)
            .map(|one| format!("{one} . {one}"))
            .collect();
        own.sort();
        own.dedup();
        for (kind, name, of, elements) in [
            (
                "map",
                "services",
                "ipv4_addr . inet_proto . inet_service : verdict",
                &parts.services,
            ),
            (
                "map",
                "published",
                "inet_proto . inet_service : verdict",
                &published,
            ),
            ("set", "itself", "ipv4_addr . ipv4_addr", &own),
        ] {
            let _ = writeln!(text, "  {kind} {name} {{\n    type {of};");
            if !elements.is_empty() {
                let _ = writeln!(text, "    elements = {{ {} }};", elements.join(", "));
            }
            text.push_str("  }\n");
        }
    }

    fn write_chains(&self, text: &mut String) {
        let (bridge, instances, services) =
            (self.bridge, self.subnet.instances(), self.subnet.services());
        let redirect = format!(
            "    ip daddr {services} ip daddr . meta l4proto . th dport vmap @services
    fib daddr type local meta l4proto . th dport vmap @published"
        );
        let refuse = format!(
            "    ip daddr {services} meta l4proto tcp reject with tcp reset
    ip daddr {services} reject"
        );
        let _ = write!(
            text,
            "  chain guard {{
    type filter hook prerouting priority raw; policy accept;
    iifname \"{bridge}\" ip daddr 127.0.0.0/8 drop
    iifname \"{bridge}\" ip saddr != {instances} drop
  }}
  chain arriving {{
    type nat hook prerouting priority dstnat; policy accept;
{redirect}
  }}
  chain own {{
    type nat hook output priority -100; policy accept;
{redirect}
  }}
  chain leaving {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr . ip daddr @itself masquerade
    oifname \"{bridge}\" ip saddr 127.0.0.0/8 masquerade
    ip saddr {instances} oifname != \"{bridge}\" masquerade
  }}
  chain between {{
    type filter hook forward priority filter; policy accept;
{refuse}
    iifname \"{bridge}\" accept
    oifname \"{bridge}\" ct status dnat accept
    oifname \"{bridge}\" ct state established,related accept
    oifname \"{bridge}\" drop
  }}
  chain from_host {{
    type filter hook output priority filter; policy accept;
    oifname \"{bridge}\" icmp type redirect drop
{refuse}
  }}
"
        );
    }
}

fn write_choice(text: &mut String, number: usize, choice: &Choice) {
    let Choice {
        backends,
        protocol,
        port,
        of_instances: _,
    } = choice;
    let target = match backends.as_slice() {
        [only] => only.to_string(),
        several => {
            let numbered: Vec<String> = several
                .iter()
                .enumerate()
                .map(|(at, address)| format!("{at} : {address}"))
                .collect();
            format!(
                "numgen random mod {} map {{ {} }}",
                several.len(),
                numbered.join(", ")
            )
        }
    };
    let _ = writeln!(
        text,
        "  chain to_{number} {{\n    meta l4proto {protocol} dnat to {target} : {port}\n  }}"
    );
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Route;

    fn script(backends: Vec<Ipv4Addr>, may_publish: bool) -> String {
        script_via(backends, may_publish, None)
    }

    fn script_via(
        backends: Vec<Ipv4Addr>,
        may_publish: bool,
        via: Option<std::net::SocketAddrV4>,
    ) -> String {
        let key: ServiceKey = "shop/cart".parse().unwrap();
        let port = RoutePort {
            port: 8080,
            protocol: Protocol::Tcp,
            publish: Some(80),
            via,
        };
        let route = Route {
            backends,
            ports: vec![port],
        };
        let table = RouteTable {
            services: [(key.clone(), route)].into(),
        };
        let rules = Rules {
            bridge: "br9",
            subnet: Subnet::new(Ipv4Addr::new(10, 9, 0, 0), 16).unwrap(),
            table: &table,
            addresses: &[(key, Ipv4Addr::new(10, 9, 128, 5))].into(),
            may_publish: &|_, _| may_publish,
        };
        rules.script()
    }

    #[test]
    fn instances_share_a_services_traffic() {
        let text = script(vec![[10, 9, 0, 3].into(), [10, 9, 0, 2].into()], true);
        assert!(
            text.contains("10.9.128.5 . tcp . 8080 : goto to_0"),
            "{text}"
        );
        assert!(text.contains("tcp . 80 : goto to_0"), "{text}");
        assert!(
            text.contains("numgen random mod 2 map { 0 : 10.9.0.2, 1 : 10.9.0.3 } : 8080"),
            "{text}"
        );
    }

    #[test]
    fn a_proxy_takes_what_arrives_at_a_published_port_and_nothing_else() {
        let via = Some("10.9.0.1:41000".parse().unwrap());
        let text = script_via(vec![[10, 9, 0, 2].into()], true, via);
        assert!(text.contains("tcp . 80 : goto to_0"), "{text}");
        assert!(text.contains("dnat to 10.9.0.1 : 41000"), "{text}");
        assert!(
            text.contains("10.9.128.5 . tcp . 8080 : goto to_1"),
            "{text}"
        );
        assert!(!text.contains("10.9.0.1 . 10.9.0.1"), "{text}");
        let text = script_via(vec![], true, via);
        assert!(text.contains("tcp . 80 : goto to_0"), "{text}");
        let text = script_via(vec![], false, via);
        assert!(!text.contains("goto"), "{text}");
    }

    #[test]
    fn without_instances_nothing_leads_anywhere() {
        let text = script(vec![], true);
        assert!(
            !text.contains("goto") && text.contains("reject with tcp reset"),
            "{text}"
        );
    }

    #[test]
    fn a_port_that_may_not_be_published_is_not() {
        let text = script(vec![[10, 9, 0, 2].into()], false);
        assert!(
            !text.contains("tcp . 80 :") && text.contains("10.9.128.5 . tcp . 8080"),
            "{text}"
        );
    }
}
