//! Memory and processor time of both sides while nobody asks anything.

use std::path::Path;

use anyhow::Result;
use cedge_benches::process::{Memory, Used};
use cedge_benches::site::Site;
use cedge_benches::table;
use cedge_e2e::kubelet::{Home, Kubelet};

use crate::Plan;
use crate::sides::Sides;

/// The name of the kubelet's node.
const NODE: &str = "peer";
const PLANE: &str = "Kubernetes, control plane";
const PEER_NODE: &str = "Kubernetes, node";

/// What processes use, together.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    memory: Memory,
    /// Of one processor.
    percent: f64,
}

// === impl Sum ===

impl Sum {
    fn add(&mut self, memory: &Memory, percent: f64) {
        self.memory.resident += memory.resident;
        self.memory.proportional += memory.proportional;
        self.memory.private += memory.private;
        self.memory.anonymous += memory.anonymous;
        self.percent += percent;
    }

    fn row(&self, side: &str, process: &str) -> [String; 6] {
        [
            side.to_owned(),
            process.to_owned(),
            mebi(self.memory.proportional),
            mebi(self.memory.private),
            mebi(self.memory.anonymous),
            format!("{:.2}", self.percent),
        ]
    }
}

/// Without a kubelet, the peer of our server with a node lacks its own.
pub(crate) async fn compare(
    folder: &Path,
    sides: &Sides,
    kubelet: Option<Kubelet>,
    plan: &Plan,
) -> Result<()> {
    let mut with_node = Site::new(folder, "with-node", &[])?;
    with_node.start().await?;
    let kubelet = kubelet.map(|kubelet| started(kubelet, sides));
    tokio::time::sleep(plan.settle).await;
    let [ours, theirs] = sides.both()?;
    let mut processes: Vec<(&str, &str, u32)> = vec![
        ("ours, server alone", "cedge server", ours.processes[0].1),
        ("ours, server with node", "cedge server", with_node.id()?),
    ];
    let named = |side: &'static str| move |(name, id)| (side, name, id);
    processes.extend(theirs.processes.into_iter().map(named(PLANE)));
    if let Some(kubelet) = &kubelet {
        processes.extend(kubelet.processes().into_iter().map(named(PEER_NODE)));
    }
    let used = |(_, _, id): &(&str, &str, u32)| Used::by(*id);
    let before = processes.iter().map(used).collect::<Result<Vec<_>>>()?;
    tokio::time::sleep(plan.idle).await;
    let mut all = table(&[
        "side",
        "process",
        "PSS MiB",
        "private MiB",
        "anonymous MiB",
        "CPU %",
    ]);
    let (mut plane, mut whole) = (Sum::default(), Sum::default());
    for ((side, name, id), before) in processes.into_iter().zip(before) {
        let (memory, after) = (Memory::of(id)?, Used::by(id)?);
        let percent = (after.cpu - before.cpu).as_secs_f64() / plan.idle.as_secs_f64() * 100.0;
        if side == PLANE {
            plane.add(&memory, percent);
        }
        if side == PLANE || side == PEER_NODE {
            whole.add(&memory, percent);
        }
        let mut one = Sum::default();
        one.add(&memory, percent);
        all.add_row(one.row(side, name));
    }
    all.add_row(plane.row(PLANE, "together"));
    if kubelet.is_some() {
        all.add_row(whole.row("Kubernetes, with node", "together"));
    }
    println!(
        "Idle for {} s, after {} s to settle. Both servers of ours share the pages of one binary, and so do the programs \
         of Kubernetes; private pages are those that nobody shares\n\n{all}\n",
        plan.idle.as_secs(),
        plan.settle.as_secs()
    );
    Ok(())
}

fn started(mut kubelet: Kubelet, sides: &Sides) -> Kubelet {
    let home = Home {
        authority: sides.theirs.authority(),
        server: &sides.theirs.url(),
        content_type: "application/vnd.kubernetes.protobuf",
    };
    kubelet.start_at(home, NODE);
    kubelet
}

fn mebi(kibi: u64) -> String {
    let tenths = kibi * 10 / 1024;
    format!("{}.{}", tenths / 10, tenths % 10)
}
