//! Ports of the host that a pod wants and somebody has.

use std::fs;

use k8s_openapi::api::core::v1::Container;

/// The state of a TCP socket that listens, and of a UDP socket that is bound.
const LISTENS: (&str, &str) = ("0A", "07");

/// The first declared port of a container that is taken, in words.
pub(crate) fn taken(container: &Container) -> Option<String> {
    container.ports.iter().flatten().find_map(|port| {
        let number = port
            .host_port
            .filter(|p| *p > 0)
            .unwrap_or(port.container_port);
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let (files, state) = match protocol {
            "TCP" => (["/proc/net/tcp", "/proc/net/tcp6"], LISTENS.0),
            "UDP" => (["/proc/net/udp", "/proc/net/udp6"], LISTENS.1),
            _ => return None,
        };
        let inode = files.iter().find_map(|file| {
            let table = fs::read_to_string(file).ok()?;
            listener(&table, u16::try_from(number).ok()?, state)
        })?;
        let who = holder(&inode)
            .map(|who| format!(" by {who}"))
            .unwrap_or_default();
        Some(format!(
            "port {number}/{protocol} is already taken on this node{who}"
        ))
    })
}

/// The inode of the socket that listens on a port.
fn listener(table: &str, port: u16, state: &str) -> Option<String> {
    let port = format!("{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local = fields.get(1)?.rsplit_once(':')?.1;
        (local == port && *fields.get(3)? == state)
            .then(|| fields.get(9).map(ToString::to_string))?
    })
}

/// The process that has a socket open, if we may know.
fn holder(inode: &str) -> Option<String> {
    let link = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let mut links = files.flatten().filter_map(|f| fs::read_link(f.path()).ok());
        if links.any(|l| l.as_os_str() == link.as_str()) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            let pid = process.file_name().to_string_lossy().into_owned();
            return Some(format!("process {pid} ({})", name.trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_listens_on_is_taken() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let container: Container = serde_json::from_str(&format!(
            r#"{{"name":"a","ports":[{{"containerPort":{port}}}]}}"#
        ))
        .unwrap();
        let words = taken(&container).unwrap();
        assert!(
            words.starts_with(&format!("port {port}/TCP is already taken")),
            "{words}"
        );
        drop(socket);
        assert_eq!(taken(&container), None);
    }
}
