//! What the runtime reports about one pod.

use std::fmt;

use jiff::Timestamp;

/// Names one attempt of one container: unique on a node, for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub String);

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that exists of one pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The runtime's name, the scheme of container ids in the status: `process`.
    pub runtime: String,
    /// Whether the pod's sandbox exists and is of this boot of the machine.
    pub sandbox: bool,
    /// Every attempt that is still known, in any order.
    pub containers: Vec<SeenContainer>,
}

/// One attempt of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenContainer {
    /// Its identity.
    pub id: ContainerId,
    /// The container's name in the pod.
    pub name: String,
    /// 0 for the first, one more for each restart.
    pub attempt: u32,
    /// The image as the pod named it.
    pub image: String,
    /// What it is doing.
    pub state: State,
    /// The user id that its first process was given, where the runtime decides that.
    pub user: Option<u32>,
    /// Whether it belongs to the present sandbox, not to one of an earlier boot.
    pub current: bool,
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Made, never started.
    Created,
    /// Its first process lives.
    Running {
        /// Since when.
        started: Timestamp,
    },
    /// Its first process has ended.
    Exited(Exit),
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// When it had started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Its exit code, 128 plus the signal if it died of one.
    pub code: i32,
    /// The signal it died of.
    pub signal: Option<i32>,
    /// `OOMKilled`, `StartError`, `Unknown`: what the runtime knows better than the code says.
    pub reason: Option<String>,
    /// What it left as termination message.
    pub message: Option<String>,
}

// === impl Seen ===

impl Seen {
    /// The newest attempt of a container.
    #[must_use]
    pub fn latest(&self, name: &str) -> Option<&SeenContainer> {
        self.containers
            .iter()
            .filter(|c| c.name == name)
            .max_by_key(|c| c.attempt)
    }

    /// The attempt before the newest.
    #[must_use]
    pub fn before_latest(&self, name: &str) -> Option<&SeenContainer> {
        let latest = self.latest(name)?.attempt;
        self.containers
            .iter()
            .filter(|c| c.name == name && c.attempt < latest)
            .max_by_key(|c| c.attempt)
    }

    /// The newest attempt in the present sandbox.
    #[must_use]
    pub fn current(&self, name: &str) -> Option<&SeenContainer> {
        self.latest(name).filter(|c| c.current)
    }

    /// Whether any process of the pod lives.
    #[must_use]
    pub fn any_running(&self) -> bool {
        self.containers.iter().any(SeenContainer::is_running)
    }
}

// === impl SeenContainer ===

impl SeenContainer {
    /// Whether its first process lives.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn exit(&self) -> Option<&Exit> {
        match &self.state {
            State::Exited(exit) => Some(exit),
            State::Created | State::Running { .. } => None,
        }
    }
}
