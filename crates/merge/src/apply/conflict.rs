//! Fields that belong to others.

use std::fmt;

use crate::fields::{Path, Set, show};
use crate::managers::Manager;

/// One field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    manager: Manager,
    path: Path,
}

/// All fields of one request that others own. At least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflicts {
    all: Vec<Conflict>,
}

// === impl Conflict ===

impl Conflict {
    /// `message` of the cause in the answer's `Status` (its `reason` is `FieldManagerConflict`).
    #[must_use]
    pub fn message(&self) -> String {
        format!("conflict with {}", self.manager.show())
    }

    /// `field` of the cause: `.spec.replicas`.
    #[must_use]
    pub fn field(&self) -> String {
        show(&self.path)
    }

    /// Name of the other manager.
    #[must_use]
    pub fn manager(&self) -> &str {
        &self.manager.name
    }
}

// === impl Conflicts ===

impl Conflicts {
    /// One for each path in each set, in the order of managers; nothing if there are none.
    pub(super) fn of(sets: &[(Manager, Set)]) -> Option<Self> {
        let mut all = Vec::new();
        for (manager, set) in sets {
            all.extend(set.paths().into_iter().map(|path| Conflict {
                manager: manager.clone(),
                path,
            }));
        }
        (!all.is_empty()).then_some(Self { all })
    }

    /// Those that are not in a set.
    pub(super) fn without(&self, allowed: &Set) -> Option<Self> {
        let rest = self
            .all
            .iter()
            .filter(|conflict| !allowed.has(&conflict.path));
        let all: Vec<Conflict> = rest.cloned().collect();
        (!all.is_empty()).then_some(Self { all })
    }

    /// All of them, for the causes of the answer.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Conflict> {
        self.all.iter()
    }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.all.as_slice() {
            return write!(
                f,
                "Apply failed with 1 conflict: {}: {}",
                only.message(),
                only.field()
            );
        }
        write!(f, "Apply failed with {} conflicts: ", self.all.len())?;
        let mut last: Option<&Manager> = None;
        for conflict in &self.all {
            if last != Some(&conflict.manager) {
                let line = if last.is_some() { "\n" } else { "" };
                write!(f, "{line}conflicts with {}:", conflict.manager.show())?;
                last = Some(&conflict.manager);
            }
            write!(f, "\n- {}", conflict.field())?;
        }
        Ok(())
    }
}
