//! A link that was cut comes back, with nothing or something changed meanwhile.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use cedge_benches::{Rounds, ratio, table};
use http::Method;
use tokio::time::Instant;

use crate::pair::{MISSIONS, Pair};

/// How long the link lives before: one that dies young is dialled again more slowly, so that nobody hammers a parent in
/// trouble.
const LIVES: Duration = Duration::from_secs(12);
/// How long the link is cut.
const CUT: Duration = Duration::from_secs(2);
/// A reconnect is over when the link was quiet for so long.
const QUIET: Duration = Duration::from_secs(1);

/// Figures of one kind of reconnect; times in milliseconds.
#[derive(Default)]
struct Figures {
    down: Rounds,
    up: Rounds,
    bytes: Rounds,
    dial: Rounds,
    arrived: Rounds,
    over: Rounds,
}

pub(crate) async fn compare(
    pair: &mut Pair,
    missions: usize,
    changed: usize,
    rounds: u64,
) -> Result<()> {
    let (mut same, mut some) = (Figures::default(), Figures::default());
    let (mut list_bytes, mut list_time) = (Rounds::default(), Rounds::default());
    for round in 0..rounds {
        reconnect(pair, 0, "", &mut same).await?;
        reconnect(pair, changed, &format!("round-{round}"), &mut some).await?;
        let begun = Instant::now();
        let list = pair.parent_api.must(Method::GET, MISSIONS, Bytes::new());
        list_bytes.push(figure(u64::try_from(list.await?.len())?));
        list_time.push(ms(begun.elapsed()));
    }
    let mut all = table(&[
        "of the Missions changed",
        "down, bytes",
        "up, bytes",
        "until it dials, ms",
        "dial to last change there, ms",
        "dial to last byte, ms",
        "bytes against a list",
    ]);
    for (count, figures) in [(0, &same), (changed, &some)] {
        all.add_row([
            format!("{count} of {missions}"),
            figures.down.to_string(),
            figures.up.to_string(),
            figures.dial.to_string(),
            figures.arrived.to_string(),
            figures.over.to_string(),
            ratio(figures.bytes.against(&list_bytes)),
        ]);
    }
    println!(
        "Reconnect after {} s, median and range of {rounds}; a list of all takes {list_bytes} bytes and {list_time} \
         ms\n\n{all}",
        CUT.as_secs()
    );
    Ok(())
}

async fn reconnect(pair: &mut Pair, changed: usize, word: &str, into: &mut Figures) -> Result<()> {
    tokio::time::sleep(LIVES).await;
    pair.cluster_wire.quiet(QUIET).await;
    pair.cluster_wire.cut();
    tokio::time::sleep(CUT).await;
    pair.change(changed, word).await?;
    let before = pair.cluster_wire.carried();
    let healed = Instant::now();
    pair.cluster_wire.heal();
    while pair.cluster_wire.times().dialled < healed {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let dialled = pair.cluster_wire.times().dialled;
    if changed > 0 {
        let arrived = pair.arrived(word, changed).await?;
        into.arrived.push(ms(arrived - dialled));
    }
    pair.cluster_wire.quiet(QUIET).await;
    let carried = pair.cluster_wire.carried() - before;
    into.down.push(figure(carried.down));
    into.up.push(figure(carried.up));
    into.bytes.push(figure(carried.down + carried.up));
    into.dial.push(ms(dialled - healed));
    into.over
        .push(ms(pair.cluster_wire.times().carried - dialled));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "megabytes at most")]
fn figure(bytes: u64) -> f64 {
    bytes as f64
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
