//! From a number to a whole history, and then the healing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cedge_sync::{Hash, Key, Reader, Writer};

use crate::World;

/// What may happen in a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Cuts and power losses only: then both ends must agree without anybody's help.
    Faults,
    /// Also lost memory, backups from the past, replaced and changed parents.
    Disasters,
}

/// One history.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub seed: u64,
    pub profile: Profile,
    pub steps: usize,
}

impl Schedule {
    /// The schedule of a seed: which kind it is follows from it as well.
    pub fn of(seed: u64) -> Self {
        let profile = if seed.is_multiple_of(3) {
            Profile::Faults
        } else {
            Profile::Disasters
        };
        Self {
            seed,
            profile,
            steps: 140,
        }
    }
}

/// Runs a schedule, checks it at every step, heals, checks that all agree.
///
/// # Errors
/// What was broken, and where.
pub fn run(schedule: Schedule) -> Result<World, String> {
    let seed = schedule.seed;
    let mut world = World::new(
        seed,
        2 + usize::try_from(seed % 3).expect("small"),
        seed % 5 == 1,
    );
    for way in world.ways() {
        world.connect(way);
    }
    for _ in 0..schedule.steps {
        step(&mut world, schedule.profile)?;
    }
    world.wild = false;
    heal(&mut world)?;
    check_agreement(&world, schedule.profile)?;
    check_quiet_reconnect(&mut world)?;
    Ok(world)
}

fn step(world: &mut World, profile: Profile) -> Result<(), String> {
    let node = world.rng.below(world.nodes.len());
    let ways = world.ways();
    let way = ways[world.rng.below(ways.len())];
    match world.rng.below(100) {
        0..=15 => write(world, node),
        16..=18 => world.report(node),
        19..=46 => {
            let to_child = world.rng.one_in(2);
            for _ in 0..=world.rng.below(10) {
                world.deliver(way, to_child)?;
            }
        }
        47..=60 => {
            world.disk_work(node, false)?;
        }
        61..=66 => while world.app_work(node) {},
        67..=70 => {
            let millis = [10, 300, 1_100, 31_000, 61_000][world.rng.below(5)];
            world.pass(Duration::from_millis(millis));
        }
        71..=78 => world.connect(way),
        79..=81 => world.disconnect(way)?,
        82..=84 => world.crash(node)?,
        // A while without trouble, in which memories form that can be lost.
        85..=88 => {
            settle(world)?;
        }
        _ if profile == Profile::Disasters => disaster(world, node)?,
        _ => {}
    }
    Ok(())
}

fn write(world: &mut World, node: usize) {
    // Each cluster writes its own Missions: the origin is in the key (I7).
    let count = if world.rng.one_in(6) { 14 } else { 1 };
    let delete = world.rng.one_in(3);
    for i in 0..count {
        let number = if count > 1 { i } else { world.rng.below(14) };
        let key = Key::from(format!("n{node}/k{number}"));
        if delete {
            world.user_delete(node, &key);
        } else {
            world.user_put(node, &key);
        }
    }
}

fn disaster(world: &mut World, node: usize) -> Result<(), String> {
    match world.rng.below(8) {
        0..=2 => world.back_up(node),
        3 => world.restore(node, false)?,
        4 => world.restore(node, true)?,
        5 => {
            let keep_api = world.rng.one_in(2);
            world.wipe(node, keep_api)?;
        }
        6 => {
            let parent = world.rng.below(world.nodes.len());
            if world.parents[node].is_some() {
                world.reparent(node, parent)?;
            }
        }
        _ if world.nodes.len() < 6 => world.replace(node)?,
        _ => {}
    }
    Ok(())
}

/// Lets everything come to rest, with links up and without faults.
fn settle(world: &mut World) -> Result<bool, String> {
    for round in 0..400 {
        for way in world.ways() {
            world.connect(way);
        }
        let mut busy = false;
        for way in world.ways() {
            while world.deliver(way, true)? || world.deliver(way, false)? {
                busy = true;
            }
        }
        for node in 0..world.nodes.len() {
            while world.disk_work(node, true)? {
                busy = true;
            }
            while world.app_work(node) {
                busy = true;
            }
        }
        if !busy {
            return Ok(round > 0);
        }
    }
    Err("the world does not come to rest".to_owned())
}

/// Settles, and does what people do where memory was lost: writes again what is wanted, deletes what is not, confirms.
fn heal(world: &mut World) -> Result<(), String> {
    for _ in 0..40 {
        // Long enough for what got lost to be missed, all along a chain.
        let mut quiet = 0;
        for _ in 0..60 {
            if quiet == 3 {
                break;
            }
            quiet = if settle(world)? { 0 } else { quiet + 1 };
            world.pass(Duration::from_secs(35));
        }
        if quiet < 3 {
            return Err("the ends talk for ever".to_owned());
        }
        let mut acted = false;
        for (parent, child) in world.ways() {
            let lost = world.nodes[parent].down_writers[&child].machine.regressed();
            for lost in lost {
                acted = true;
                let wanted = world.nodes[parent].app.entries.get(&lost.key);
                if wanted.is_some_and(|entry| !entry.deleted) {
                    world.user_put(parent, &lost.key);
                } else {
                    world.operator_removes((parent, child), &lost.key);
                }
            }
            let reader = &mut world.nodes[child]
                .down_readers
                .get_mut(&parent)
                .expect("there")
                .machine;
            if let Some(held) = reader.held() {
                acted = true;
                if !reader.confirm(&held.id) {
                    return Err("a batch was not confirmed by its own name".to_owned());
                }
            }
        }
        if !acted {
            return Ok(());
        }
    }
    Err("nobody could heal this".to_owned())
}

fn written(writer: &Writer) -> BTreeMap<Key, (u64, Hash)> {
    let live = writer
        .iter()
        .filter_map(|(k, r)| Some((Key::clone(k), (r.version, r.content?.hash))));
    live.collect()
}

fn read(reader: &Reader) -> BTreeMap<Key, (u64, Hash)> {
    let live = reader
        .iter()
        .filter_map(|(k, r)| Some((Key::clone(k), (r.version, r.content?.hash))));
    live.collect()
}

fn check_agreement(world: &World, profile: Profile) -> Result<(), String> {
    for (parent, child) in world.ways() {
        let (p, c) = (&world.nodes[parent], &world.nodes[child]);
        let pairs = [
            (
                "down",
                &p.down_writers[&child].machine,
                &c.down_readers[&parent].machine,
            ),
            (
                "up",
                &c.up_writers[&parent].machine,
                &p.up_readers[&child].machine,
            ),
        ];
        for (name, writer, reader) in pairs {
            let (ours, theirs) = (written(writer), read(reader));
            let keys: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
            if let Some(key) = keys
                .into_iter()
                .find(|key| ours.get(*key) != theirs.get(*key))
            {
                let (ours, theirs) = (writer.record(key), reader.record(key));
                return Err(format!(
                    "{name} {parent}->{child} {key}: {ours:?} / {theirs:?}"
                ));
            }
            if writer.pending() > 0 || writer.len() != ours.len() {
                let open: Vec<_> = writer
                    .iter()
                    .filter(|(_, record)| !record.settled)
                    .collect();
                return Err(format!(
                    "{name} {parent}->{child}: never acknowledged: {open:?}"
                ));
            }
            if !reader.regressed().is_empty() {
                return Err(format!("{name} {parent}->{child}: regressed for ever"));
            }
        }
        if profile == Profile::Faults {
            check_apps(world, parent, child)?;
        }
    }
    Ok(())
}

/// Without disasters a child wants exactly what its parent wants, and what it wrote itself.
fn check_apps(world: &World, parent: usize, child: usize) -> Result<(), String> {
    let (p, c) = (
        &world.nodes[parent].app.entries,
        &world.nodes[child].app.entries,
    );
    for (key, entry) in p.iter().filter(|(_, entry)| !entry.deleted) {
        if c.get(key).is_none_or(|e| e.deleted || e.seq != entry.seq) {
            return Err(format!("{child} lacks {key} of {parent}"));
        }
    }
    let own = format!("n{child}/");
    for (key, _) in c
        .iter()
        .filter(|(key, e)| !e.deleted && !key.starts_with(&own))
    {
        if p.get(key).is_none_or(|entry| entry.deleted) {
            return Err(format!("{child} keeps {key}, which {parent} deleted"));
        }
    }
    Ok(())
}

/// I4: where nothing differs, a reconnect costs two small messages a table.
fn check_quiet_reconnect(world: &mut World) -> Result<(), String> {
    let ways = world.ways();
    for way in &ways {
        world.disconnect(*way)?;
    }
    let before = world.bytes;
    settle(world)?;
    let cost = world.bytes - before;
    let bound = 150 * 2 * ways.len();
    if cost > bound {
        return Err(format!(
            "I4: a reconnect without a difference cost {cost} bytes of {bound}"
        ));
    }
    Ok(())
}
