//! What the operating system says about this machine.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;

/// The name that Kubernetes (that is, Go) has for the processor.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

pub(super) fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

/// A line of `/proc/meminfo`, in bytes.
pub(super) fn memory(key: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let value = text
        .lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    let number = value.and_then(|v| v.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

/// Processor time that all cores have worked since the machine started.
pub(super) fn busy() -> std::time::Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq steal
    let ticks = first.split_whitespace().skip(1).take(8);
    let ticks = ticks.enumerate().filter(|(i, _)| !matches!(i, 3 | 4));
    let sum: u64 = ticks.filter_map(|(_, t)| t.parse::<u64>().ok()).sum();
    // The kernel counts in hundredths of a second for everybody outside of it.
    std::time::Duration::from_millis(sum * 10)
}

/// Size and free bytes of the file system of a directory.
pub(super) fn disk(path: &Path) -> (u64, u64) {
    match nix::sys::statvfs::statvfs(path) {
        Ok(stat) => {
            let size = stat.fragment_size();
            (stat.blocks() * size, stat.blocks_available() * size)
        }
        Err(_) => (0, 0),
    }
}

/// Whether nine of ten process numbers are in use.
pub(super) fn processes_nearly_exhausted() -> bool {
    let load = line("/proc/loadavg");
    let used = load
        .split([' ', '/'])
        .nth(4)
        .and_then(|n| n.parse::<u64>().ok());
    let most = line("/proc/sys/kernel/pid_max").parse::<u64>().ok();
    matches!((used, most), (Some(used), Some(most)) if used > most / 10 * 9)
}

/// The first line of a file, without white space around it; empty if there is none.
pub(super) fn line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

pub(super) fn os_name() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|l| l.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}

pub(super) fn uuid() -> String {
    let product = line("/sys/class/dmi/id/product_uuid");
    if product.is_empty() {
        line("/etc/machine-id")
    } else {
        product
    }
}

/// The address that others reach this machine by: of the interface that leads outside, else of any that is up.
pub(super) fn address() -> IpAddr {
    outside()
        .or_else(any)
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Nothing is sent: connecting a UDP socket only asks the routing table. The address is one for documentation.
fn outside() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified() && !address.is_loopback()).then_some(address)
}

fn any() -> Option<IpAddr> {
    let mut interfaces = nix::ifaddrs::getifaddrs().ok()?;
    interfaces.find_map(|interface| {
        let address = IpAddr::V4(interface.address?.as_sockaddr_in()?.ip());
        (!address.is_loopback()).then_some(address)
    })
}
