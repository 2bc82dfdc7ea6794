//! Cluster addresses and node ports: each is given to one service.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use rand::Rng as _;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::api::Api;
use crate::meta;
use crate::selector::Filter;
use crate::status::{About, Error, Result};

const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;
/// The first addresses of the range are left to services that name theirs (the API's own, DNS).
const FIXED: u32 = 16;

/// Gives addresses and ports, one service at a time.
#[derive(Debug)]
pub(crate) struct Addresses {
    network: u32,
    size: u32,
    one_at_a_time: Arc<Mutex<()>>,
}

/// Held until a service is stored, so that nobody else gets the same; then the next reader sees what it has.
#[derive(Debug)]
pub(super) struct Taken(#[expect(dead_code, reason = "held")] Option<OwnedMutexGuard<()>>);

/// What the other services have.
#[derive(Debug, Default)]
struct Others {
    addresses: HashSet<String>,
    ports: HashSet<i64>,
}

// === impl Taken ===

impl Taken {
    pub(super) fn nothing() -> Self {
        Self(None)
    }
}

// === impl Addresses ===

impl Addresses {
    /// The range that services get their addresses from.
    pub(crate) fn new(network: Ipv4Addr, prefix: u8) -> Self {
        let size = 1u32
            .checked_shl(32 - u32::from(prefix.min(32)))
            .unwrap_or(u32::MAX);
        Self {
            network: u32::from(network),
            size,
            one_at_a_time: Arc::default(),
        }
    }

    /// The address of the API itself: the first of the range.
    pub(crate) fn first(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.network + 1)
    }

    pub(super) async fn reserve(
        &self,
        api: &Api,
        service: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<Taken> {
        let guard = self.one_at_a_time.clone().lock_owned().await;
        api.cache.fresh().await?;
        let taken = taken(api, service)?;
        let about = About::new("", "Service", meta::name(service));
        self.give_address(service, &taken, about.clone())?;
        give_ports(service, old, &taken, about)?;
        Ok(if dry_run {
            Taken::nothing()
        } else {
            Taken(Some(guard))
        })
    }

    fn give_address(&self, service: &mut Value, taken: &Others, about: About) -> Result<()> {
        let spec = meta::fields(service, "spec");
        if spec.get("type").is_some_and(|t| t == "ExternalName") {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                spec.remove(field);
            }
            return Ok(());
        }
        let given = spec
            .get("clusterIP")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let address = match given {
            "None" => "None".to_owned(),
            "" => {
                let free = self.free(taken).ok_or_else(|| {
                    Error::internal("failed to allocate a serviceIP: range is full")
                })?;
                free.to_string()
            }
            given => {
                self.check(given, taken).map_err(|why| {
                    Error::invalid_field(
                        about,
                        "FieldValueInvalid",
                        "spec.clusterIPs",
                        format!(
                            "Invalid value: [\"{given}\"]: failed to allocate IP {given}: {why}"
                        ),
                    )
                })?;
                given.to_owned()
            }
        };
        spec.insert("clusterIP".into(), json!(address));
        spec.insert("clusterIPs".into(), json!([address]));
        spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
        spec.entry("ipFamilyPolicy")
            .or_insert_with(|| json!("SingleStack"));
        Ok(())
    }

    fn check(&self, address: &str, taken: &Others) -> Result<(), &'static str> {
        let number = address.parse::<Ipv4Addr>().map(u32::from).unwrap_or(0);
        let offset = number.wrapping_sub(self.network);
        if number < self.network || offset >= self.size {
            return Err("the provided network does not match the current range");
        }
        if offset == 0 || offset >= self.size - 1 {
            return Err("the provided IP is not in the valid range");
        }
        if taken.addresses.contains(address) {
            return Err("provided IP is already allocated");
        }
        Ok(())
    }

    /// A free address, from a random place on.
    fn free(&self, taken: &Others) -> Option<Ipv4Addr> {
        let first = FIXED.min(self.size / 4).max(2);
        let count = self.size.checked_sub(first + 1).filter(|c| *c > 0)?;
        let start = rand::rng().random_range(0..count);
        (0..count)
            .map(|i| Ipv4Addr::from(self.network + first + (start + i) % count))
            .find(|ip| !taken.addresses.contains(&ip.to_string()))
    }
}

fn give_ports(
    service: &mut Value,
    old: Option<&Value>,
    taken: &Others,
    about: About,
) -> Result<()> {
    let spec = meta::fields(service, "spec");
    let open = spec
        .get("type")
        .is_some_and(|t| t == "NodePort" || t == "LoadBalancer");
    let wanted = spec
        .get("allocateLoadBalancerNodePorts")
        .is_none_or(|a| a != false);
    let mut mine: HashSet<i64> = HashSet::new();
    let Some(ports) = spec.get_mut("ports").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    for (i, port) in ports.iter_mut().enumerate() {
        let given = port["nodePort"].as_i64().unwrap_or(0);
        if !open {
            continue;
        }
        let given = if given == 0 {
            same_port(old, port)
        } else {
            given
        };
        if given != 0 {
            let why = if !NODE_PORTS.contains(&given) {
                "provided port is not in the valid range. The range of valid ports is 30000-32767"
            } else if taken.ports.contains(&given) {
                "provided port is already allocated"
            } else {
                ""
            };
            if !why.is_empty() {
                let field = format!("spec.ports[{i}].nodePort");
                let message = format!("Invalid value: {given}: {why}");
                return Err(Error::invalid_field(
                    about,
                    "FieldValueInvalid",
                    &field,
                    message,
                ));
            }
            mine.insert(given);
            port["nodePort"] = json!(given);
        } else if wanted {
            let count = NODE_PORTS.end() - NODE_PORTS.start() + 1;
            let start = rand::rng().random_range(0..count);
            let free = (0..count)
                .map(|n| NODE_PORTS.start() + (start + n) % count)
                .find(|p| !taken.ports.contains(p) && !mine.contains(p));
            let free = free
                .ok_or_else(|| Error::internal("failed to allocate a nodePort: range is full"))?;
            mine.insert(free);
            port["nodePort"] = json!(free);
        }
    }
    Ok(())
}

/// The node port that the same port had before the change.
fn same_port(old: Option<&Value>, port: &Value) -> i64 {
    let ports = old.and_then(|o| o["spec"]["ports"].as_array());
    let mut ports = ports.into_iter().flatten();
    let same = ports.find(|p| p["port"] == port["port"] && p["protocol"] == port["protocol"]);
    same.and_then(|p| p["nodePort"].as_i64()).unwrap_or(0)
}

fn taken(api: &Api, service: &Value) -> Result<Others> {
    let path = format!("{}/{}", meta::namespace(service), meta::name(service));
    let mut taken = Others {
        addresses: crate::addresses::reserved(api)?.into_iter().collect(),
        ports: HashSet::new(),
    };
    let all = api
        .cache
        .kind("", "services")
        .list(&Filter::default(), None, 0, 0);
    for other in all.objects.iter().filter(|o| o.path() != path) {
        let other = other.value()?;
        let addresses = other["spec"]["clusterIPs"].as_array().into_iter().flatten();
        taken
            .addresses
            .extend(addresses.filter_map(Value::as_str).map(ToOwned::to_owned));
        let ports = other["spec"]["ports"].as_array().into_iter().flatten();
        taken
            .ports
            .extend(ports.filter_map(|p| p["nodePort"].as_i64()));
        taken
            .ports
            .extend(other["spec"]["healthCheckNodePort"].as_i64());
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_from_the_range_and_are_given_once() {
        let addresses = Addresses::new(Ipv4Addr::new(10, 43, 0, 0), 24);
        let mut taken = Others::default();
        for _ in 0..200 {
            let mut service = json!({"metadata": {"name": "a"}, "spec": {"type": "ClusterIP"}});
            addresses
                .give_address(&mut service, &taken, About::default())
                .unwrap();
            let ip = service["spec"]["clusterIP"].as_str().unwrap().to_owned();
            assert!(ip.starts_with("10.43.0."), "{ip}");
            assert!(taken.addresses.insert(ip));
        }
        let mut wrong = json!({"metadata": {"name": "a"}, "spec": {"clusterIP": "10.44.0.1"}});
        assert!(
            addresses
                .give_address(&mut wrong, &taken, About::default())
                .is_err()
        );
    }

    #[test]
    fn node_ports_are_given_to_services_that_open_them() {
        let mut service = json!({"spec": {"type": "NodePort", "ports": [{"port": 80}, {"port": 81, "nodePort": 30001}]}});
        give_ports(&mut service, None, &Others::default(), About::default()).unwrap();
        assert!(NODE_PORTS.contains(&service["spec"]["ports"][0]["nodePort"].as_i64().unwrap()));
        let mut inside = json!({"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}});
        give_ports(&mut inside, None, &Others::default(), About::default()).unwrap();
        assert!(inside["spec"]["ports"][0]["nodePort"].is_null());
    }
}
