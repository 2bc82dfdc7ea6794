//! Links over which nothing is said but that both ends are there.

use std::time::Duration;

use anyhow::Result;
use cedge_benches::relay::{Carried, Relay};
use cedge_benches::table;

use crate::pair::Pair;

/// Head of a TCP segment with time stamps and of an IPv4 packet, and another such for the acknowledgement.
const HEADS: u64 = 2 * 52;

pub(crate) async fn watch(pair: &Pair, settle: Duration, length: Duration) -> Result<()> {
    tokio::time::sleep(settle).await;
    let (cluster, node) = (pair.cluster_wire.carried(), pair.node_wire.carried());
    tokio::time::sleep(length).await;
    let mut all = table(&[
        "link",
        "up, bytes/min",
        "down, bytes/min",
        "pieces/min",
        "bytes/s",
        "bytes/s with heads of packets",
    ]);
    let mut row = |name: &str, wire: &Relay, before: Carried| {
        let carried = wire.carried() - before;
        let seconds = length.as_secs().max(1);
        let bytes = carried.up + carried.down;
        let a_second = |bytes: u64| format!("{}.{}", bytes / seconds, bytes * 10 / seconds % 10);
        all.add_row([
            name.to_owned(),
            (carried.up * 60 / seconds).to_string(),
            (carried.down * 60 / seconds).to_string(),
            (carried.messages * 60 / seconds).to_string(),
            a_second(bytes),
            a_second(bytes + carried.messages * HEADS),
        ]);
    };
    row("a child cluster's", &pair.cluster_wire, cluster);
    row("a node's", &pair.node_wire, node);
    println!(
        "Idle links, over {} s, after {} s to settle\n\n{all}\n",
        length.as_secs(),
        settle.as_secs()
    );
    Ok(())
}
