//! Decides what becomes of an object, given the state of its owners. Pure.

/// One owner of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnerState {
    /// It is there.
    Solid,
    /// The API says that nothing has this identity.
    Gone,
    /// It is being deleted and waits for this object.
    Waiting,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    /// Keep it, without the references to these owners.
    Release(Vec<usize>),
    /// Delete it, and let it wait for its own dependents.
    DeleteForeground,
    /// Delete it, in the way that its own finalizers ask for, else in the background.
    Delete,
}

pub(super) fn judge(owners: &[OwnerState], has_dependents: bool) -> Verdict {
    if owners.is_empty() {
        return Verdict::Keep;
    }
    if owners.contains(&OwnerState::Solid) {
        let others = owners.iter().enumerate();
        let others = others.filter(|(_, o)| **o != OwnerState::Solid);
        let lost: Vec<usize> = others.map(|(i, _)| i).collect();
        return if lost.is_empty() {
            Verdict::Keep
        } else {
            Verdict::Release(lost)
        };
    }
    if owners.contains(&OwnerState::Waiting) && has_dependents {
        return Verdict::DeleteForeground;
    }
    Verdict::Delete
}

#[cfg(test)]
mod tests {
    use super::OwnerState::{Gone, Solid, Waiting};
    use super::*;

    #[test]
    fn an_object_goes_only_when_no_owner_is_left() {
        for (owners, dependents, expected) in [
            (vec![], false, Verdict::Keep),
            (vec![Solid], true, Verdict::Keep),
            (vec![Gone], false, Verdict::Delete),
            (
                vec![Gone, Solid, Waiting],
                true,
                Verdict::Release(vec![0, 2]),
            ),
            (vec![Waiting], false, Verdict::Delete),
            (vec![Waiting, Gone], true, Verdict::DeleteForeground),
            (vec![Gone], true, Verdict::Delete),
        ] {
            assert_eq!(
                judge(&owners, dependents),
                expected,
                "{owners:?} {dependents}"
            );
        }
    }
}
