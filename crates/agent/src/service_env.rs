//! The environment variables by which pods find services: the API always, those of their namespace unless they say
//! otherwise.

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use crate::objects::Objects;

type Variables = Vec<(String, String)>;

/// The variables of a pod; those of the API last, as they count more.
pub(crate) fn of_pod(pod: &Pod, objects: &Objects) -> Variables {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
    let links = pod.spec.as_ref().and_then(|s| s.enable_service_links);
    let api = objects.api_address();
    let mut found = Variables::new();
    let services = match objects.services(namespace) {
        Some(Value::Array(services)) if links != Some(false) => services,
        _ => Vec::new(),
    };
    for service in &services {
        let is_api = namespace == "default" && service["name"] == "kubernetes";
        if !(is_api && api.is_some()) {
            found.extend(of_service(service));
        }
    }
    if let Some(api) = api {
        let port = serde_json::json!([{"name": "https", "port": api["port"], "protocol": "TCP"}]);
        let service = serde_json::json!({"name": "kubernetes", "ip": api["host"], "ports": port});
        found.extend(of_service(&service));
    }
    found
}

/// The name of a service as part of a variable's.
fn word(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn of_service(service: &Value) -> Variables {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (name, ip) = (word(&text(&service["name"])), text(&service["ip"]));
    let ports = service["ports"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let Some(first) = ports.first() else {
        return Variables::new();
    };
    let number = |port: &Value| port["port"].as_u64().unwrap_or_default();
    let mut found = vec![
        (format!("{name}_SERVICE_HOST"), ip.clone()),
        (format!("{name}_SERVICE_PORT"), number(first).to_string()),
    ];
    for port in ports {
        let own = text(&port["name"]);
        if !own.is_empty() {
            let key = format!("{name}_SERVICE_PORT_{}", word(&own));
            found.push((key, number(port).to_string()));
        }
    }
    let host = if ip.contains(':') {
        format!("[{ip}]")
    } else {
        ip.clone()
    };
    for (i, port) in ports.iter().enumerate() {
        let protocol = match port["protocol"].as_str() {
            None | Some("") => "TCP",
            Some(given) => given,
        };
        let (upper, lower) = (protocol.to_uppercase(), protocol.to_lowercase());
        let number = number(port);
        let url = format!("{lower}://{host}:{number}");
        if i == 0 {
            found.push((format!("{name}_PORT"), url.clone()));
        }
        let prefix = format!("{name}_PORT_{number}_{upper}");
        found.push((prefix.clone(), url));
        found.push((format!("{prefix}_PROTO"), lower));
        found.push((format!("{prefix}_PORT"), number.to_string()));
        found.push((format!("{prefix}_ADDR"), ip.clone()));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_is_told_in_the_variables_of_kubernetes() {
        let service = json!({"name": "my-db", "ip": "10.43.0.7", "ports": [
            {"name": "sql", "port": 5432, "protocol": "TCP"}, {"name": "stat-s", "port": 53, "protocol": "UDP"}]});
        let found = of_service(&service);
        let get = |key: &str| {
            found
                .iter()
                .find(|(k, _)| k == key)
                .map(|(_, v)| v.as_str())
        };
        for (key, value) in [
            ("MY_DB_SERVICE_HOST", "10.43.0.7"),
            ("MY_DB_SERVICE_PORT", "5432"),
            ("MY_DB_SERVICE_PORT_SQL", "5432"),
            ("MY_DB_SERVICE_PORT_STAT_S", "53"),
            ("MY_DB_PORT", "tcp://10.43.0.7:5432"),
            ("MY_DB_PORT_53_UDP", "udp://10.43.0.7:53"),
            ("MY_DB_PORT_53_UDP_PROTO", "udp"),
            ("MY_DB_PORT_5432_TCP_ADDR", "10.43.0.7"),
        ] {
            assert_eq!(get(key), Some(value), "{key}");
        }
    }
}
