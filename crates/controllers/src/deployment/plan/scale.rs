//! Sizes of ReplicaSets.

use super::annotations::{DESIRED, MAX};
use super::{Set, Step, View};

impl View {
    /// Whether the Deployment's size was changed since its ReplicaSets were last sized.
    pub(super) fn is_scaled(&self) -> bool {
        self.sets
            .iter()
            .filter(|s| s.replicas() > 0)
            .filter_map(|s| s.number(DESIRED))
            .any(|desired| desired != self.replicas())
    }

    /// The size of the current ReplicaSet, given what it has: as much as fits under replicas + maxSurge.
    pub(super) fn size_of_new(&self, has: i32) -> i32 {
        let wanted = self.replicas();
        if self.is_recreate() || has >= wanted {
            return wanted;
        }
        let (surge, _) = self.fences();
        let room = wanted + surge - self.total();
        has + room.min(wanted - has).max(0)
    }

    /// New sizes of old ReplicaSets: first without what is not available anyway, then as far as enough stay available.
    pub(super) fn shrink_old(&self) -> Vec<(usize, i32)> {
        let Some(new) = self.new.map(|i| &self.sets[i]) else {
            return Vec::new();
        };
        let (_, unavailable) = self.fences();
        let min_available = self.replicas() - unavailable;
        let new_unavailable = new.replicas() - new.available();
        let mut sizes: Vec<i32> = self.sets.iter().map(Set::replicas).collect();
        let mut cleanup = self.total() - min_available - new_unavailable;
        if cleanup <= 0 {
            return Vec::new();
        }
        for i in self.old_indices() {
            let unhealthy = (sizes[i] - self.sets[i].available()).max(0);
            let less = unhealthy.min(cleanup).min(sizes[i]);
            sizes[i] -= less;
            cleanup -= less;
        }
        let available: i32 = self.sets.iter().map(Set::available).sum();
        let mut spare = (available - min_available).max(0);
        for i in self.old_indices() {
            let less = sizes[i].min(spare);
            sizes[i] -= less;
            spare -= less;
        }
        self.old_indices().map(|i| (i, sizes[i])).collect()
    }

    /// After a change of the Deployment's size, or while it is paused: no version gains on another.
    pub(super) fn resize(&self) -> Step {
        let active: Vec<usize> = self.indices(|s| s.replicas() > 0).collect();
        let wanted = self.replicas();
        let sizes = match active[..] {
            [] => match self.new.or_else(|| self.sets.len().checked_sub(1)) {
                Some(only) => vec![(only, wanted)],
                None => Vec::new(),
            },
            [only] => vec![(only, wanted)],
            _ if self.is_saturated() => {
                let old = active.into_iter().filter(|i| Some(*i) != self.new);
                old.map(|i| (i, 0)).collect()
            }
            _ if self.is_recreate() => Vec::new(),
            _ => self.in_proportion(&active),
        };
        let (desired, max) = (wanted, self.size_max());
        let changes = sizes.into_iter().filter(|(i, size)| {
            let set = &self.sets[*i];
            set.replicas() != *size
                || set.number(DESIRED) != Some(desired)
                || set.number(MAX) != Some(max)
        });
        let changes: Vec<_> = changes.collect();
        if changes.is_empty() {
            return Step::Nothing;
        }
        Step::Scale(changes)
    }

    /// Divides what is to be added or taken away by the sizes; the biggest gets the rest.
    fn in_proportion(&self, active: &[usize]) -> Vec<(usize, i32)> {
        let allowed = if self.replicas() > 0 {
            self.size_max()
        } else {
            0
        };
        let change = allowed - self.total();
        let mut order = active.to_vec();
        // Biggest first; of equals the newest when growing, the oldest when shrinking.
        order.sort_by_key(|i| {
            let age = i64::try_from(*i).unwrap_or(0);
            let age = if change > 0 { -age } else { age };
            (-self.sets[*i].replicas(), age)
        });
        let mut given = 0;
        let mut sizes: Vec<(usize, i32)> = Vec::new();
        for i in order {
            let part = self.proportion(&self.sets[i], change, given);
            given += part;
            sizes.push((i, self.sets[i].replicas() + part));
        }
        if let Some(first) = sizes.first_mut() {
            first.1 = (first.1 + change - given).max(0);
        }
        sizes
    }

    fn proportion(&self, set: &Set, change: i32, given: i32) -> i32 {
        if change == 0 || change == given {
            return 0;
        }
        let part = self.fraction(set);
        let left = change - given;
        if change > 0 {
            part.min(left)
        } else {
            part.max(left)
        }
    }

    /// How much a ReplicaSet would change if all of them changed like the Deployment.
    fn fraction(&self, set: &Set) -> i32 {
        if self.replicas() == 0 {
            return -set.replicas();
        }
        let status = self.deployment.status.as_ref();
        let before = set
            .number(MAX)
            .filter(|max| *max != 0)
            .or_else(|| status.and_then(|s| s.replicas).filter(|r| *r != 0));
        let Some(before) = before else { return 0 };
        let size = f64::from(set.replicas()) * f64::from(self.size_max()) / f64::from(before);
        #[expect(clippy::cast_possible_truncation, reason = "a number of pods")]
        let size = size.round() as i32;
        size - set.replicas()
    }

    /// Whether the current version has everything that was asked for.
    fn is_saturated(&self) -> bool {
        let wanted = self.replicas();
        self.new.map(|i| &self.sets[i]).is_some_and(|new| {
            new.replicas() == wanted
                && new.number(DESIRED) == Some(wanted)
                && new.available() == wanted
        })
    }

    pub(super) fn size_max(&self) -> i32 {
        self.replicas() + self.fences().0
    }

    fn total(&self) -> i32 {
        self.sets.iter().map(Set::replicas).sum()
    }

    fn old_indices(&self) -> impl Iterator<Item = usize> {
        (0..self.sets.len()).filter(|i| Some(*i) != self.new)
    }
}
