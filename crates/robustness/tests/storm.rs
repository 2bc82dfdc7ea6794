//! Many clients at once beside `kill -9`: nothing that was acknowledged is lost, nothing is told twice, late or not at all.
#![expect(clippy::panic, reason = "what a test finds is told like this")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cedge_e2e::{Folder, Site, enabled, say};
use cedge_robustness::checker::check;
use cedge_robustness::door::{Client, Door, Silence, request};
use cedge_robustness::history::{Call, Deed, History, Key, Last, Note, Outcome};
use cedge_robustness::kinds::{self, KINDS, NAMESPACE};
use cedge_robustness::memory::{mib, own, peak, resident};
use cedge_robustness::storm::{Clock, Plan, Watcher, Writer};
use cedge_tasks::shutdown;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A server without anything else that writes.
const ALONE: [&str; 2] = ["--without", "controllers,scheduler,node,tree"];
const READY_WITHIN: Duration = Duration::from_secs(120);
/// From the last write to the moment at which every watcher has seen it.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(120);
/// From the last kill to the end at least.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// What a server may keep of a storm: so many times what it began with, and some.
const GENEROUS: u64 = 4;
const SOME: u64 = 64 << 20;

/// The server, which is killed and started again.
type Shared = Arc<Mutex<Site>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_beside_kill_9_loses_nothing_and_tells_everything_once() {
    if !enabled("a_storm_beside_kill_9_loses_nothing_and_tells_everything_once") {
        return;
    }
    let plan = Plan::of_environment();
    let folder = Folder::of("storm");
    let mut site = Site::new(&folder, "storm", &ALONE);
    site.launch();
    let (dir, address) = (site.dir.clone(), site.api());
    let site: Shared = Arc::new(Mutex::new(site));
    until_certified(&dir).await;
    let door = |n: usize| {
        Door::of(&dir, address, &format!("storm-{n}"), "system:masters").expect("a certificate")
    };
    let mut admin = door(0).client();
    until_ready(&mut admin).await;
    prepare(&mut admin).await;
    let fresh = (resident(process(&site)), own(process(&site)));

    let clock = Clock::start();
    let (stop, stopped) = shutdown();
    let (give_up, given_up) = shutdown();
    let (begun, mut begins) = mpsc::channel(plan.watchers);
    let watchers: Vec<_> = (0..plan.watchers)
        .map(|n| {
            let watcher = Watcher::new(n, &door(1000 + n), clock, plan.objects / 10);
            let run = watcher.run(begun.clone(), given_up.clone());
            cedge_tasks::spawn("storm/watcher", run)
        })
        .collect();
    for _ in 0..plan.watchers {
        begins.recv().await.expect("every watcher begins");
    }
    let writers: Vec<_> = (1..=plan.writers)
        .map(|n| {
            let writer = Writer::new(n, &door(n), clock, plan.seed, plan.objects);
            let run = writer.run(plan.pause, stopped.clone());
            cedge_tasks::spawn("storm/writer", run)
        })
        .collect();
    let (kills, slowest) = kill_again_and_again(&site, &plan, &mut admin).await;
    stop.ask();

    let mut history = History::default();
    for writer in writers {
        history.calls.extend(writer.await.expect("a writer"));
    }
    let written = resident(process(&site));
    history.calls.extend(end(&door(0), clock, &plan).await);
    for kind in 0..KINDS.len() {
        history.last.push(list(&mut admin, kind).await);
    }
    let limit = cedge_tasks::spawn("storm/limit", async move {
        tokio::time::sleep(CAUGHT_UP_WITHIN).await;
        give_up.ask();
    });
    for watcher in watchers {
        history.watchers.push(watcher.await.expect("a watcher"));
    }
    limit.abort();
    let verdict = check(&history);
    tell(
        &history,
        &plan,
        kills,
        slowest,
        verdict.changes,
        verdict.unknown_happened,
    );
    if !verdict.violations.is_empty() {
        panic!("{verdict}\nthe history is in {}", keep(&history).display());
    }
    let writes = history
        .calls
        .iter()
        .filter(|c| matches!(c.outcome, Outcome::Wrote(_)));
    assert!(writes.count() > 100, "it is a storm");

    delete_all(&mut admin).await;
    subsided(&site, fresh, written).await;
}

/// What ends the storm for those who watch: an object of each kind that nobody else writes.
async fn end(door: &Door, clock: Clock, plan: &Plan) -> Vec<Call> {
    let mut last = Writer::new(plan.writers + 1, door, clock, plan.seed, 1);
    let index = plan.objects / 10;
    for kind in 0..KINDS.len() {
        last.create(Key { kind, index }).await;
    }
    last.into_calls()
}

/// The server, which has no objects any more, gives back what they took.
async fn subsided(site: &Shared, fresh: (u64, u64), written: u64) {
    let most = peak(process(site));
    let emptied = settled(site, fresh.0).await;
    say(&format!(
        "memory of the server: {} when it was new ({} its own), {} after the storm (at most {}), {} when all was deleted ({} its own)",
        mib(fresh.0),
        mib(fresh.1),
        mib(written),
        mib(most),
        mib(emptied),
        mib(own(process(site)))
    ));
    assert!(
        emptied < fresh.0 * GENEROUS + SOME,
        "{} are kept",
        mib(emptied)
    );
}

/// `kill -9`, and a start, until the time is over; how often, and the longest time until it was ready again.
async fn kill_again_and_again(site: &Shared, plan: &Plan, admin: &mut Client) -> (u32, f64) {
    let (mut kills, mut slowest) = (0, 0.0_f64);
    let begun = Instant::now();
    let end = begun + plan.time;
    loop {
        let next = begun + plan.kill_every * (kills + 1);
        // The last kill leaves some time to write on.
        if next + LAST_WORDS > end {
            tokio::time::sleep_until(end).await;
            return (kills, slowest);
        }
        tokio::time::sleep_until(next).await;
        let site = site.clone();
        let killed = tokio::task::spawn_blocking(move || {
            let mut site = site.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(site.is_alive(), "it ended by itself: {}", site.last_words());
            site.kill_server();
            site.launch();
        });
        killed.await.expect("it is killed and started");
        let started = Instant::now();
        until_ready(admin).await;
        slowest = slowest.max(started.elapsed().as_secs_f64());
        kills += 1;
    }
}

async fn until_certified(dir: &Path) {
    let waits = async {
        while !dir.join("kubeconfig").exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(READY_WITHIN, waits)
        .await
        .expect("it starts");
}

async fn until_ready(client: &mut Client) {
    let waits = async {
        loop {
            if client
                .get("/readyz")
                .await
                .is_ok_and(|answer| answer.code == 200)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(READY_WITHIN, waits)
        .await
        .expect("it is ready");
}

async fn prepare(client: &mut Client) {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    assert_eq!(post(client, "/api/v1/namespaces", &namespace).await, 201);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(post(client, path, &kinds::definition()).await, 201);
    let served = async {
        while !client
            .get(&kinds::path_of(9))
            .await
            .is_ok_and(|answer| answer.code == 200)
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(READY_WITHIN, served)
        .await
        .expect("the kind is served");
}

async fn post(client: &mut Client, path: &str, body: &Value) -> u16 {
    let body = Bytes::from(body.to_string());
    let sent = client
        .ask(request(Method::POST, path, "application/json", body))
        .await;
    sent.map_or_else(
        |silence: Silence| panic!("{silence:?}"),
        |answer| answer.code,
    )
}

async fn list(client: &mut Client, kind: usize) -> Last {
    let answer = client.get(&kinds::path_of(kind)).await.expect("a list");
    assert_eq!(answer.code, 200);
    let list = answer.json();
    Last {
        kind,
        revision: kinds::revision(&list).expect("a list has a revision"),
        items: kinds::items(&list),
    }
}

async fn delete_all(client: &mut Client) {
    for kind in 0..KINDS.len() {
        let path = kinds::path_of(kind);
        let answer = client
            .ask(request(Method::DELETE, &path, "", Bytes::new()))
            .await;
        let code = answer.map_or_else(|silence| panic!("{silence:?}"), |answer| answer.code);
        assert!(matches!(code, 200 | 504), "{path}: {code}");
    }
    for kind in 0..KINDS.len() {
        let left = list(client, kind).await.items;
        assert!(left.iter().all(|(index, _)| *index == u32::MAX), "{left:?}");
    }
}

/// Its memory once it is idle: allocators give back what is free after some seconds.
async fn settled(site: &Shared, fresh: u64) -> u64 {
    let mut now = resident(process(site));
    for _ in 0..30 {
        if now < fresh * 2 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        now = resident(process(site));
    }
    now
}

fn process(site: &Shared) -> u32 {
    let site = site.lock().unwrap_or_else(PoisonError::into_inner);
    site.process().expect("it runs")
}

fn tell(history: &History, plan: &Plan, kills: u32, slowest: f64, changes: usize, happened: usize) {
    let count = |is: fn(&Outcome) -> bool| history.calls.iter().filter(|c| is(&c.outcome)).count();
    let lists = history
        .calls
        .iter()
        .filter(|c| matches!(c.deed, Deed::List { .. }))
        .count();
    let notes = history.watchers.iter().flat_map(|w| &w.notes);
    let events = notes
        .filter(|note| matches!(note, Note::Event { .. }))
        .count();
    say(&format!(
        "a storm of {} s, {} who write, {} who watch, {kills} kills (ready again within {slowest:.1} s): {} calls, \
         {} writes and {} deletions acknowledged, {} reads, {lists} lists, {} refusals, {} unknown ({happened} of them happened); \
         {changes} changes told in {events} events, {} objects at the end",
        plan.time.as_secs(),
        plan.writers,
        plan.watchers,
        history.calls.len(),
        count(|o| matches!(o, Outcome::Wrote(_))),
        count(|o| matches!(o, Outcome::Deleted { .. })),
        count(|o| matches!(o, Outcome::Read(_))),
        count(|o| matches!(o, Outcome::Refused(_))),
        count(|o| matches!(o, Outcome::Unknown(_))),
        history.last.iter().map(|l| l.items.len()).sum::<usize>(),
    ));
}

/// Keeps a history that is not right, to be looked at.
fn keep(history: &History) -> PathBuf {
    let path = std::env::temp_dir().join(format!("cedge-storm-{}.json", std::process::id()));
    let file = File::create(&path).expect("a file for the history");
    serde_json::to_writer(std::io::BufWriter::new(file), history).expect("a history is JSON");
    path
}
