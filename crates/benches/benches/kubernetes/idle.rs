//! Memory and processor time of both sides while nobody asks anything.

use std::path::Path;

use anyhow::Result;
use cedge_benches::process::{Memory, Used};
use cedge_benches::site::Site;
use cedge_benches::table;

use crate::Plan;
use crate::sides::Sides;

pub(crate) async fn compare(folder: &Path, sides: &Sides, plan: &Plan) -> Result<()> {
    let mut with_node = Site::new(folder, "with-node", &[])?;
    with_node.start().await?;
    tokio::time::sleep(plan.settle).await;
    let [ours, theirs] = sides.both()?;
    let mut processes: Vec<(&str, &str, u32)> = vec![
        ("ours, server alone", "cedge server", ours.processes[0].1),
        ("ours, server with node", "cedge server", with_node.id()?),
    ];
    let peer = theirs.processes.iter();
    processes.extend(peer.map(|(name, id)| ("Kubernetes", *name, *id)));
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
    let mut sum = (0, 0, 0, 0.0);
    for ((side, name, id), before) in processes.into_iter().zip(before) {
        let (memory, after) = (Memory::of(id)?, Used::by(id)?);
        let cpu = (after.cpu - before.cpu).as_secs_f64() / plan.idle.as_secs_f64() * 100.0;
        if side == "Kubernetes" {
            sum.0 += memory.proportional;
            sum.1 += memory.private;
            sum.2 += memory.anonymous;
            sum.3 += cpu;
        }
        all.add_row([
            side.to_owned(),
            name.to_owned(),
            mebi(memory.proportional),
            mebi(memory.private),
            mebi(memory.anonymous),
            format!("{cpu:.2}"),
        ]);
    }
    all.add_row([
        "Kubernetes".to_owned(),
        "together, without a kubelet".to_owned(),
        mebi(sum.0),
        mebi(sum.1),
        mebi(sum.2),
        format!("{:.2}", sum.3),
    ]);
    println!(
        "Idle for {} s, after {} s to settle. Both servers of ours share the pages of one binary, and so do three programs \
         of Kubernetes; private pages are those that nobody shares\n\n{all}\n",
        plan.idle.as_secs(),
        plan.settle.as_secs()
    );
    Ok(())
}

fn mebi(kibi: u64) -> String {
    let tenths = kibi * 10 / 1024;
    format!("{}.{}", tenths / 10, tenths % 10)
}
