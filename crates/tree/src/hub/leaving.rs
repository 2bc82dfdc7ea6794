//! A child that leaves gives back what it has from here, where its `EdgeCluster` says so (`deletionPolicy: Withdraw`).

use std::time::Duration;

use cedge_link::TableError;

use super::{ChildState, Hub};

/// How often it is asked whether the child has acknowledged.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long a connected child may take. One that holds so many deletions at once (I3) leaves with what it has.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(60);

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Tombstones for what it holds, then wait.
    TakeBack,
    /// It may go.
    LetGo,
}

fn next(connected: bool, rows: usize, waited: Duration) -> Step {
    if connected && rows > 0 && waited < GIVE_BACK_WITHIN {
        Step::TakeBack
    } else {
        Step::LetGo
    }
}

/// Takes back a child's Missions; says whether it may go: each is acknowledged, or it cannot be waited for.
///
/// # Errors
/// The disk.
pub(super) async fn has_given_back(hub: &Hub, child: &ChildState) -> Result<bool, TableError> {
    let waited = hub.children.leaves(child.name.as_str()).elapsed();
    let rows = child.missions.iter();
    match next(child.is_connected(), rows.len(), waited) {
        Step::LetGo if rows.is_empty() => Ok(true),
        Step::LetGo => {
            tracing::warn!(child = %child.name, missions = rows.len(), "it leaves with Missions that it did not give back");
            Ok(true)
        }
        Step::TakeBack => {
            // From now on nothing more is handed over.
            hub.parts.around.changed();
            for row in rows {
                if child.missions.get(&row.key)?.is_some() {
                    child.missions.remove(&row.key).await?;
                }
            }
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_leaves_is_waited_for_while_it_is_there_and_not_for_ever() {
        let soon = Duration::from_secs(1);
        assert_eq!(next(true, 2, soon), Step::TakeBack);
        assert_eq!(next(true, 0, soon), Step::LetGo, "all is acknowledged");
        assert_eq!(next(false, 2, soon), Step::LetGo, "nobody is there");
        assert_eq!(next(true, 2, GIVE_BACK_WITHIN), Step::LetGo);
    }
}
