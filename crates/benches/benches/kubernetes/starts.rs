//! From `exec` to `/readyz`, with nothing and with many objects.

use std::path::Path;

use anyhow::Result;
use cedge_benches::kubernetes::Kubernetes;
use cedge_benches::site::Site;
use cedge_benches::{Rounds, ratio, table};
use tokio::time::Instant;

use crate::Plan;
use crate::sides::Sides;

pub(crate) async fn empty(folder: &Path, plan: &Plan) -> Result<()> {
    let (mut ours, mut theirs) = (Rounds::default(), Rounds::default());
    for round in 0..plan.rounds {
        let mut site = Site::new(folder, &format!("empty-{round}"), &["--without", "node"])?;
        let begun = Instant::now();
        site.launch()?;
        site.until("/readyz", |answer| answer.is_some()).await?;
        ours.push(ms(begun));
        site.kill();
        if let Some(mut peer) = Kubernetes::here(folder, &format!("theirs-{round}"))? {
            let begun = Instant::now();
            peer.start().await?;
            theirs.push(ms(begun));
        }
    }
    show("an empty folder", &ours, &theirs);
    Ok(())
}

/// Both are killed and started again with what they hold.
pub(crate) async fn again(sides: &mut Sides, plan: &Plan, what: &str) -> Result<()> {
    let (mut ours, mut theirs) = (Rounds::default(), Rounds::default());
    for _ in 0..plan.rounds {
        sides.ours.kill();
        sides.theirs.kill();
        let begun = Instant::now();
        sides.ours.launch()?;
        sides
            .ours
            .until("/readyz", |answer| answer.is_some())
            .await?;
        ours.push(ms(begun));
        let begun = Instant::now();
        sides.theirs.start().await?;
        theirs.push(ms(begun));
    }
    show(what, &ours, &theirs);
    Ok(())
}

fn show(what: &str, ours: &Rounds, theirs: &Rounds) {
    let mut all = table(&["side", "ms to /readyz", "ours against it"]);
    all.add_row(["ours".to_owned(), ours.to_string(), String::new()]);
    all.add_row([
        "Kubernetes".to_owned(),
        theirs.to_string(),
        ratio(ours.against(theirs)),
    ]);
    println!("Cold start, {what}\n\n{all}\n");
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}
